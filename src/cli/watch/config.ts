// Reads the environment variables of `top` and `tail`. A flag overrides its variable.

export const watchEnvironment = (
  env: NodeJS.ProcessEnv = process.env
): { readonly url: string | undefined; readonly token: string | undefined } => ({
  url: env.CHARGELIFT_URL || undefined,
  token: env.CHARGELIFT_TOKEN || undefined
})

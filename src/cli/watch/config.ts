// What `top` and `tail` read from the environment.

/** What `top` and `tail` take from the environment where no flag says otherwise. */
export const watchEnvironment = (
  env: NodeJS.ProcessEnv = process.env
): { readonly url: string | undefined; readonly token: string | undefined } => ({
  url: env.CHARGELIFT_URL || undefined,
  token: env.CHARGELIFT_TOKEN || undefined
})

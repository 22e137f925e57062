// The types of the part of postject that the build uses. postject has no types of its own.

declare module 'postject' {
  export function inject(
    filename: string,
    resourceName: string,
    resource: Buffer,
    options: { readonly sentinelFuse: string }
  ): Promise<void>
}

// The class behind the factory of Aedes' persistence: its package types the factory only.

declare module 'aedes-persistence/asyncPersistence.js' {
  const MemoryPersistence: new (options?: object) => object
  export default MemoryPersistence
}

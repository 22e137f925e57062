// The classes behind the factories of Aedes' persistences: their packages type the factory, or nothing.

declare module 'aedes-persistence/asyncPersistence.js' {
  const MemoryPersistence: new (options?: object) => object
  export default MemoryPersistence
}

declare module 'aedes-persistence-redis/asyncPersistence.js' {
  const RedisPersistence: new (options?: object) => object
  export default RedisPersistence
}

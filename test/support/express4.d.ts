/** Express 4, installed beside 5 under a name of its own; what the tests use of it has the types of 5. */
declare module 'express4' {
  export { default } from 'express'
}

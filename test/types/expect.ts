/** True when both are the same type, also where each is assignable to the other. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles for `true` only. */
export function holds<_Claim extends true>(): void {}

/** A way to compare text, beyond equality. */
export interface TextTest {
  readonly kind: 'prefix' | 'suffix' | 'contains' | 'pattern' | 'template'
  /** What is compared; of a template, the literal that it begins with. */
  readonly text: string
  matches(text: string): boolean
}

/** Text that begins with a literal. */
export class Prefix implements TextTest {
  readonly kind = 'prefix'
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
  matches(text: string): boolean {
    return text.startsWith(this.text)
  }
}

/** Text that ends with a literal. */
export class Suffix implements TextTest {
  readonly kind = 'suffix'
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
  matches(text: string): boolean {
    return text.endsWith(this.text)
  }
}

/** Text with a literal somewhere in it. */
export class Contains implements TextTest {
  readonly kind = 'contains'
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
  matches(text: string): boolean {
    return text.includes(this.text)
  }
}

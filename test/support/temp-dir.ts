import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A directory of a test's own, and what happens to files in it. */
export class TempDir {
  readonly path = realpathSync(mkdtempSync(join(tmpdir(), 'inmesh-')))
  private volumes = 0

  at(name: string): string {
    return join(this.path, name)
  }

  /** Written in place: opened, emptied, written. */
  write(name: string, content: string | Uint8Array): string {
    const path = this.at(name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    return path
  }

  /** Written beside it and renamed over it: nobody ever sees a part. */
  replace(name: string, content: string): void {
    this.write(`${name}.new`, content)
    renameSync(this.at(`${name}.new`), this.at(name))
  }

  /** As the kubelet mounts a ConfigMap: files are links through `..data`, and one rename of that link changes them all. */
  mountVolume(files: Readonly<Record<string, string>>): void {
    const version = `..2026_01_01_${this.volumes++}`
    for (const [name, content] of Object.entries(files)) this.write(join(version, name), content)
    symlinkSync(version, this.at('..data_tmp'))
    renameSync(this.at('..data_tmp'), this.at('..data'))
    for (const name of Object.keys(files)) {
      rmSync(this.at(name), { force: true })
      symlinkSync(join('..data', name), this.at(name))
    }
  }

  /** The next version of such a volume; the former is removed at once, as the kubelet does. */
  swapVolume(files: Readonly<Record<string, string>>): void {
    const former = `..2026_01_01_${this.volumes - 1}`
    const version = `..2026_01_01_${this.volumes++}`
    for (const [name, content] of Object.entries(files)) this.write(join(version, name), content)
    symlinkSync(version, this.at('..data_tmp'))
    renameSync(this.at('..data_tmp'), this.at('..data'))
    rmSync(this.at(former), { recursive: true })
  }

  remove(name = '.'): void {
    rmSync(this.at(name), { recursive: true, force: true })
  }
}

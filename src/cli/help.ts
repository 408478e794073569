/** What `inmesh --help` prints. */
export const HELP = `inmesh: a service mesh inside a Node.js process

  inmesh check FILES...
      Checks configuration files, and directories of them. Prints each problem as file:line:column: message.
  inmesh explain FILES... -- [METHOD] URL [-H 'name: value']...
      Says what would happen to a request, and which file says so. Sends nothing.

Options
  --namespace NAME       namespace of services that name none (default: default)
  --allow-address RANGE  an address or range that the address policy refuses; may be repeated
  --json                 explain: the whole answer as JSON
  --help, --version

Exit code: 0 all is well, 1 there are problems, 2 the command is not understood.
`

/** The first value of the parameter `name` in a query, decoded; undefined when it is not there. */
export function queryParameter(query: string, name: string): string | undefined {
  if (query === '') return undefined
  for (let start = 0; start <= query.length; ) {
    const found = query.indexOf('&', start)
    const end = found < 0 ? query.length : found
    const sign = query.indexOf('=', start)
    const nameEnd = sign < 0 || sign > end ? end : sign
    if (decoded(query.slice(start, nameEnd)) === name) return nameEnd === end ? '' : decoded(query.slice(nameEnd + 1, end))
    start = end + 1
  }
  return undefined
}

/** As forms are read; what is no escape stands for itself. */
function decoded(text: string): string {
  if (!/[%+]/.test(text)) return text
  const spaced = text.replaceAll('+', ' ')
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}

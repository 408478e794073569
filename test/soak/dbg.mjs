import { rolled, kindsOf } from './checks/rolling.mjs'
import { meshError } from './load.mjs'
const t0=performance.now()
const r = await rolled({count:3, script: process.argv[2], end: async (s)=>{const a=performance.now(); console.log('term', s.address, Math.round(a-t0)); await s.terminate(); console.log('gone', s.address, Math.round(performance.now()-t0))}, kinds: kindsOf(true), everyMs:1500})
const by=new Map()
for (const c of r.calls) if (c.status!==200) { const e=meshError(c.error); const k=Math.floor(c.at/250)*250+' '+(e?.message??c.error); by.set(k,(by.get(k)??0)+1)}
for (const [k,v] of by) console.log(v,k)
console.log(r.seen, r.retries, r.movedOn)
process.exit()

import { readFileSync } from 'node:fs'
import { services } from './service.mjs'
import { openLoop, failures, percentile } from './load.mjs'
import { createMesh } from 'inmesh'
const cpu = (pid) => { const f = readFileSync(`/proc/${pid}/stat`,'utf8').split(') ')[1].split(' '); return (Number(f[11])+Number(f[12]))*10 }
for (const script of ['server.mjs','guarded-server.mjs','server.mjs','guarded-server.mjs']) {
const a=performance.now()
const all = await services(3, script)
const started=performance.now()-a
const mesh = createMesh({ services: { orders: { endpoints: all.map(({ address }) => address) } } })
await mesh.ready()
const before = all.map(s=>cpu(s.child.pid)); const own=process.cpuUsage()
const {calls, stalledMs} = await openLoop({perSecond:300, seconds:4, call: async (i)=>{ const {statusCode, body}=await mesh.request('http://orders/', {method:'GET'}); await body.text(); return statusCode}})
const t = calls.map(c=>c.tookMs)
const o2=process.cpuUsage(own)
console.log(script, 'start',started.toFixed(0),'startcpu', before, 'cpu ms in 400 req each', all.map((s,i)=>cpu(s.child.pid)-before[i]), 'client', ((o2.user+o2.system)/1000).toFixed(0), 'p50',percentile(t,.5).toFixed(1),'p99',percentile(t,.99).toFixed(1),'max',Math.max(...t).toFixed(0),'stall',stalledMs.toFixed(0), failures(calls), mesh.stats().services.orders.endpoints.map(e=>e.connections))
await mesh.close(); await Promise.all(all.map(s=>s.kill()))
}
process.exit()

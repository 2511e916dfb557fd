# t/programs/node.sh - buffers, workers and compression of Node.js.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need node
plan 2

cat >"$in/work.js" <<'END'
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const zlib = require('zlib');
const crypto = require('crypto');
function work(id, n) {
  let seed = id + 1, kept = [], hash = crypto.createHash('sha256');
  for (let i = 0; i < n; i++) {
    seed = (seed * 16807) % 2147483647;
    kept.push(Buffer.alloc(4096 + seed % 60000, seed % 256));
    if (kept.length > 100) hash.update(kept.splice(seed % 100, 1)[0]);
  }
  const packed = zlib.deflateSync(Buffer.concat(kept));
  hash.update(zlib.inflateSync(packed));
  return hash.digest('hex');
}
if (isMainThread) {
  const n = Number(process.argv[2]);
  console.log(work(0, n));
  const jobs = [1, 2, 3].map((id) => new Promise((done, fail) => {
    const w = new Worker(__filename, { workerData: { id, n } });
    w.on('message', done);
    w.on('error', fail);
  }));
  Promise.all(jobs).then((r) => console.log(r.join('\n')));
} else {
  parentPort.postMessage(work(workerData.id, workerData.n));
}
END

uses node node -e 'console.log(Buffer.alloc(100000).length)'
same 'buffers in several workers, compressed and hashed' node "$in/work.js" "$(amount 2000)"

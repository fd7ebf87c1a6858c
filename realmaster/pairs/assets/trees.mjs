// Grows the trees of @dgreenheck/ez-tree without a browser: `node trees.mjs FOLDER PRESET...` writes PRESET.json and
// PRESET.bin, the float32 and uint32 arrays that the first describes.
import fs from 'node:fs';
import path from 'node:path';

// three's texture loader asks for an image element; the textures are read elsewhere.
globalThis.self = globalThis;
globalThis.document = { createElementNS: () => ({ addEventListener() {}, removeEventListener() {} }) };
const { Tree } = await import('@dgreenheck/ez-tree');

const [folder, ...presets] = process.argv.slice(2);
for (const preset of presets) {
  const tree = new Tree();
  tree.loadPreset(preset);
  tree.generate();
  const arrays = {};
  const chunks = [];
  for (const [part, mesh] of [['bark', tree.branchesMesh], ['leaves', tree.leavesMesh]]) {
    const { position, normal, uv } = mesh.geometry.attributes;
    const index = Uint32Array.from(mesh.geometry.index.array);
    for (const [name, data] of [['position', position.array], ['normal', normal.array], ['uv', uv.array], ['index', index]]) {
      const bytes = Buffer.from(name === 'index' ? data.buffer : Float32Array.from(data).buffer);
      arrays[`${part}.${name}`] = bytes.length;
      chunks.push(bytes);
    }
  }
  const { bark, leaves } = tree.options;
  const about = { arrays, bark: bark.type, barkTint: bark.tint, leaves: leaves.type, leafTint: leaves.tint, scale: bark.textureScale };
  fs.writeFileSync(path.join(folder, `${preset}.json`), JSON.stringify(about));
  fs.writeFileSync(path.join(folder, `${preset}.bin`), Buffer.concat(chunks));
}

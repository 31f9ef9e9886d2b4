// Checks the manifests in the folders named on the command line against the schemas of their kinds.
//
// Each is checked twice. The packages' own validation, made of the CRDs, knows required fields, enums
// and formats, but lets keys pass that it does not know. So each is written down as a TypeScript object
// of its kind's type as well, and the compiler refuses what that type does not have. A
// `*.patch.yaml` is a part of its kind: nothing in it is required.
//
// Kinds that no package has are checked if CRDS names a file with their CustomResourceDefinition, e.g.
// one that `kubectl get crd applications.nais.io -o yaml` gave.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import Ajv from "ajv";
import ts from "typescript";
import { parseAllDocuments } from "yaml";

const HERE = dirname(fileURLToPath(import.meta.url));
const TYPED = join(HERE, "typed");

// Files that are no manifests.
const OTHERS = new Set(["envoy.yaml", "mesh-values.yaml", "kustomization.yaml"]);
// Rules and their tests, which promtool reads.
const OTHER_FOLDERS = new Set(["prometheus"]);

const PACKAGES = {
  "": "kubernetes-models",
  apps: "kubernetes-models",
  "networking.k8s.io": "kubernetes-models",
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
  "gateway.envoyproxy.io": "@kubernetes-models/envoy-gateway",
  "extensions.istio.io": "@kubernetes-models/istio",
  "networking.istio.io": "@kubernetes-models/istio",
  "security.istio.io": "@kubernetes-models/istio",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
};

// What must be refused, or the check itself is broken: a change to the first WasmPlugin.
const BROKEN = {
  "unknown key": (plugin) => (plugin.spec.phasse = "AUTHN"),
  "unknown key, further down": (plugin) => (plugin.metadata.nampespace = "api"),
  "unknown value": (plugin) => (plugin.spec.phase = "AUTHENTICATION"),
  "missing field": (plugin) => delete plugin.spec.url,
  "another type": (plugin) => (plugin.spec.match = { mode: "SERVER" }),
};

const findings = [];
const find = (where, what) => findings.push(`${where}: ${what}`);

const groupOf = (manifest) => {
  const parts = manifest.apiVersion.split("/");
  return parts.length === 1 ? "" : parts[0];
};

const manifestsIn = (folder) =>
  readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith(".yaml") && !OTHERS.has(basename(file)) && !OTHER_FOLDERS.has(dirname(file)))
    .sort()
    .flatMap((file) => documents(join(folder, file)).map((manifest, at) => ({ file: join(folder, file), at, manifest })));

function documents(file) {
  return parseAllDocuments(readFileSync(file, "utf8")).map((document) => {
    for (const error of [...document.errors, ...document.warnings]) find(file, error.message);
    return document.toJS();
  });
}

const crds = (process.env.CRDS ? documents(process.env.CRDS) : []).flatMap((crd) =>
  crd.spec.versions.map((version) => ({
    apiVersion: `${crd.spec.group}/${version.name}`,
    kind: crd.spec.names.kind,
    schema: closed(version.schema.openAPIV3Schema),
  })),
);

// A CRD's schema, in which keys that are not named are refused.
function closed(schema, isRoot = true) {
  if (Array.isArray(schema)) return schema.map((one) => closed(one, false));
  if (typeof schema !== "object" || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value, false)]));
  if (copy.properties && !copy["x-kubernetes-preserve-unknown-fields"]) copy.additionalProperties ??= false;
  if (isRoot) copy.properties.metadata = { type: "object" };
  return copy;
}

function checkByCrd({ file, manifest }) {
  const crd = crds.find(({ apiVersion, kind }) => apiVersion === manifest.apiVersion && kind === manifest.kind);
  if (!crd) return false;
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false, unicodeRegExp: false });
  ajv.validate(crd.schema, manifest);
  for (const error of ajv.errors ?? []) {
    find(file, `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`);
  }
  return true;
}

// Whether the package's own validation refuses it, with what it says.
async function refusal(manifest) {
  const path = `${PACKAGES[groupOf(manifest)]}/${manifest.apiVersion}/${manifest.kind}`;
  const Model = (await import(path))[manifest.kind];
  try {
    new Model(manifest).validate();
    return null;
  } catch (error) {
    return error.message;
  }
}

// A file for the compiler.
function writeTyped(name, manifest, isPart) {
  const { apiVersion, kind } = manifest;
  const from = `${PACKAGES[groupOf(manifest)]}/${apiVersion}/${kind}`;
  const type = isPart ? `Part<I${kind}>` : `I${kind}`;
  const text = `import type { I${kind} } from "${from}";
type Part<T> = T extends (infer U)[] ? Part<U>[] : T extends object ? { [K in keyof T]?: Part<T[K]> } : T;
export const manifest: ${type} = ${JSON.stringify(manifest, null, 2)};
`;
  const file = join(TYPED, `${name.replaceAll(/[^\w.-]/g, "_")}.ts`);
  writeFileSync(file, text);
  return file;
}

// What the compiler says of each of the files.
function compile(files) {
  const program = ts.createProgram(files, {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: [],
  });
  const said = new Map(files.map((file) => [file, []]));
  for (const diagnostic of ts.getPreEmitDiagnostics(program)) {
    const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, " ").replace(/ in type '.*/s, "");
    const file = diagnostic.file?.fileName;
    if (!said.has(file)) throw new Error(`${file}: ${text}`);
    said.get(file).push(text);
  }
  return said;
}

rmSync(TYPED, { recursive: true, force: true });
mkdirSync(TYPED);

const manifests = process.argv.slice(2).flatMap(manifestsIn);
const typed = [];
const unchecked = [];
for (const one of manifests) {
  const { file, at, manifest } = one;
  const where = `${file} (${manifest.kind} ${manifest.metadata?.name})`;
  if (!(groupOf(manifest) in PACKAGES)) {
    if (!checkByCrd(one)) unchecked.push(where);
    continue;
  }
  const isPart = file.endsWith(".patch.yaml");
  const said = isPart ? null : await refusal(manifest);
  if (said) find(where, said);
  typed.push([where, writeTyped(`${file}-${at}`, manifest, isPart)]);
}

const sound = manifests.find(({ manifest }) => manifest.kind === "WasmPlugin").manifest;
const broken = [];
for (const [what, change] of Object.entries(BROKEN)) {
  const manifest = structuredClone(sound);
  change(manifest);
  broken.push([what, await refusal(manifest), writeTyped(`broken-${what}`, manifest, false)]);
}

const said = compile([...typed.map(([, file]) => file), ...broken.map(([, , file]) => file)]);
for (const [where, file] of typed) {
  for (const text of said.get(file)) find(where, text);
}
for (const [what, byValidation, file] of broken) {
  if (!byValidation && said.get(file).length === 0) find("this check", `a WasmPlugin with ${what} is not refused`);
}

for (const where of unchecked) console.log(`not checked, no package has its schema: ${where}`);
for (const finding of findings) console.error(finding);
console.log(`${manifests.length - unchecked.length} manifests checked, ${findings.length} findings`);
process.exitCode = findings.length === 0 ? 0 : 1;

// Shows /api/v1/openapi.json, and lets people try operations out with a key of theirs. The key stays in this page.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

/** An element with text or children in it; everything is text, nothing is markup. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key === "class") made.className = value;
    else if (value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** Text in which `code` stands in backquotes. */
function prose(text) {
  const parts = (text ?? "").split("`");
  return parts.map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

function resolve(all, schema) {
  if (!schema?.$ref) return schema ?? {};
  return all.components.schemas[schema.$ref.split("/").pop()] ?? {};
}

/** A value of the shape that a schema describes. */
function example(all, given, depth = 0) {
  const schema = resolve(all, given);
  if (depth > 6) return null;
  const inner = (of) => example(all, of, depth + 1);
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  for (const choice of [schema.oneOf, schema.anyOf]) {
    if (choice) return inner(choice.find((one) => one.type !== "null") ?? choice[0]);
  }
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map(inner));
  const type = [schema.type].flat().find((one) => one !== "null");
  if (type === "array") return schema.items ? [inner(schema.items)] : [];
  if (type === "object" || schema.properties) {
    const members = Object.entries(schema.properties ?? {});
    return Object.fromEntries(members.map(([name, of]) => [name, inner(of)]));
  }
  return { string: schema.format === "uuid" ? "00000000-0000-4000-8000-000000000000" : "text", integer: 0, number: 0, boolean: false }[type] ?? null;
}

/** Its members with what they mean. */
function members(all, given, depth = 0) {
  const schema = resolve(all, given);
  const list = element("ul", {});
  const needed = new Set(schema.required ?? []);
  for (const [name, of] of Object.entries(schema.properties ?? {})) {
    const item = element("li", {}, element("code", {}, name), needed.has(name) ? "" : " (optional)", " — ");
    const inner = resolve(all, of.items ?? of.oneOf?.find((one) => one.$ref) ?? of);
    item.append(...prose(of.description ?? inner.description));
    if (depth < 4 && inner.properties) item.append(members(all, inner, depth + 1));
    list.append(item);
  }
  return list;
}

function shape(all, title, content) {
  const schema = content?.["application/json"]?.schema;
  if (!schema) return [];
  const text = JSON.stringify(example(all, schema), null, 2);
  return [
    element("details", {}, element("summary", {}, title), element("pre", {}, text), members(all, schema)),
  ];
}

function fields(operation) {
  const inputs = new Map();
  const table = element("table", {});
  for (const parameter of operation.parameters ?? []) {
    const input = element("input", { size: 30, placeholder: parameter.in });
    inputs.set(parameter, input);
    const name = element("td", {}, element("code", {}, parameter.name), parameter.required ? "" : " (optional)");
    table.append(element("tr", {}, name, element("td", {}, input), element("td", {}, ...prose(parameter.description))));
  }
  return { inputs, table };
}

function address(path, inputs) {
  let filled = path;
  const query = new URLSearchParams();
  for (const [parameter, input] of inputs) {
    if (parameter.in === "path") filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value !== "") query.set(parameter.name, input.value);
  }
  return query.size ? `${filled}?${query}` : filled;
}

async function call(method, url, body) {
  const key = document.getElementById("key").value;
  const headers = {};
  if (key) headers["X-Api-Key"] = key;
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch(url, { method: method.toUpperCase(), headers, body: body || undefined, credentials: "omit" });
  const text = await response.text();
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // Shown as it is.
  }
  return `${response.status} ${response.statusText}\n${shown}`;
}

function show(all, path, method, operation) {
  const { inputs, table } = fields(operation);
  const request = operation.requestBody?.content;
  const body = request && element("textarea", { rows: 8, spellcheck: "false" });
  if (body) body.value = JSON.stringify(example(all, request["application/json"].schema), null, 2);
  const answer = element("pre", { hidden: "" });
  const button = element("button", { type: "button" }, "Try it");
  button.addEventListener("click", async () => {
    answer.hidden = false;
    answer.textContent = "…";
    try {
      answer.textContent = await call(method, address(path, inputs), body?.value);
    } catch (error) {
      answer.textContent = String(error);
    }
  });
  const scope = Object.values(operation.security?.[0] ?? {}).flat().join(" ");
  const head = element("summary", {}, element("span", { class: `method ${method}` }, method.toUpperCase()),
    element("code", {}, path), " ", operation.summary ?? "", element("span", { class: "scope" }, scope));
  const responses = Object.entries(operation.responses ?? {}).flatMap(([code, response]) => [
    element("p", {}, element("code", {}, code), " ", ...prose(response.description)),
    ...shape(all, "Answer", response.content),
  ]);
  return element("details", { id: operation.operationId }, head, element("p", {}, ...prose(operation.description)), table,
    ...shape(all, "Body", request), body, element("p", {}, button), answer, ...responses);
}

async function main() {
  const all = await (await fetch("/api/v1/openapi.json")).json();
  document.getElementById("about").append(...prose(all.info.description));
  const place = document.getElementById("operations");
  place.replaceChildren();
  for (const tag of all.tags) {
    place.append(element("h2", {}, tag.name), element("p", {}, ...prose(tag.description)));
    for (const [path, item] of Object.entries(all.paths)) {
      for (const method of METHODS) {
        const operation = item[method];
        if (operation?.tags?.includes(tag.name)) place.append(show(all, path, method, operation));
      }
    }
  }
}

main().catch((error) => {
  document.getElementById("operations").textContent = `The description cannot be read: ${error}`;
});

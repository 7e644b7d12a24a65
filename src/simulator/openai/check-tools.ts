/** The rules of `tools` and `tool_choice`. */
import { emptyArray, isObject, missing, tooLong, wrongType, wrongValue, type Json } from './check.ts';
import { refusal, type Refusal } from './errors.ts';

const TYPES = ['function', 'custom'];
const CHOICES = ['none', 'auto', 'required'];
const NAME = /^[a-zA-Z0-9_-]+$/;

export function checkTools(body: Json): Refusal | undefined {
  const { tools } = body;
  if (tools === undefined || tools === null) return undefined;
  if (!Array.isArray(tools)) return wrongType('tools', 'an array of objects', tools);
  if (tools.length === 0) return emptyArray('tools');
  if (tools.length > 128) return tooLong('tools', 128, tools.length);
  for (const [i, tool] of tools.entries()) {
    const wrong = checkTool(tool, `tools[${i}]`);
    if (wrong !== undefined) return wrong;
  }
  return checkChoice(body['tool_choice'], tools as Json[]);
}

function checkTool(tool: unknown, name: string): Refusal | undefined {
  if (!isObject(tool)) return wrongType(name, 'an object', tool);
  const { type } = tool;
  if (type === undefined) return missing(`${name}.type`);
  if (typeof type !== 'string' || !TYPES.includes(type)) return wrongValue(`${name}.type`, type, TYPES);
  const spec = tool[type];
  if (spec === undefined) return missing(`${name}.${type}`);
  if (!isObject(spec)) return wrongType(`${name}.${type}`, 'an object', spec);
  const own = `${name}.${type}.name`;
  if (spec['name'] === undefined) return missing(own);
  if (typeof spec['name'] !== 'string') return wrongType(own, 'a string', spec['name']);
  if (!NAME.test(spec['name'])) {
    return refusal(400, `Invalid '${own}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.`, 'invalid_value', own);
  }
  const { parameters } = spec;
  return parameters === undefined || parameters === null || isObject(parameters)
    ? undefined
    : wrongType(`${name}.${type}.parameters`, 'an object', parameters);
}

function checkChoice(choice: unknown, tools: Json[]): Refusal | undefined {
  if (choice === undefined || choice === null) return undefined;
  if (typeof choice === 'string') return CHOICES.includes(choice) ? undefined : wrongValue('tool_choice', choice, CHOICES);
  if (!isObject(choice)) return wrongType('tool_choice', 'one of an object or string', choice);
  const { type } = choice;
  if (typeof type !== 'string' || ![...TYPES, 'allowed_tools'].includes(type)) return wrongValue('tool_choice.type', type, [...TYPES, 'allowed_tools']);
  if (type === 'allowed_tools') return undefined;
  const named = choice[type];
  if (!isObject(named) || typeof named['name'] !== 'string') return missing(`tool_choice.${type}.name`);
  const known = tools.some((tool) => isObject(tool[type]) && tool[type]['name'] === named['name']);
  return known ? undefined : refusal(400, `Tool choice '${type}' not found in 'tools' parameter.`, null, 'tool_choice');
}

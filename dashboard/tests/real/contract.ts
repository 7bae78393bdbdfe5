import ts from 'typescript';

/** As much of a JSON Schema as the document uses. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
}

/** As much of an OpenAPI document. */
export interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

interface Operation {
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
}

/**
 * Holds the types that pages read answers by against the document that describes the answers, and
 * tells every difference that would surprise a page: a member it reads that is never sent, may be
 * left out, or may be of another kind.
 */
export class Contract {
  readonly #document: Document;
  readonly #checker: ts.TypeChecker;
  readonly #source: ts.SourceFile;

  /** Of the types in `file`. */
  constructor(document: Document, file: string) {
    const options = { strict: true, target: ts.ScriptTarget.ES2022 };
    const program = ts.createProgram([file], options);
    const source = program.getSourceFile(file);
    if (!source) throw new Error(`${file} cannot be read`);
    this.#document = document;
    this.#checker = program.getTypeChecker();
    this.#source = source;
  }

  /** The differences between a type and a schema of the document, or between their `items`. */
  differences(name: string, schema: Schema): string[] {
    const type = this.#source.forEachChild((node) => {
      const isType = ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node);
      return isType && node.name.text === name
        ? this.#checker.getTypeAtLocation(node.name)
        : undefined;
    });
    return type ? this.#compare(name, type, schema) : [`${name}: no such type`];
  }

  /** What a path answers a GET with. */
  answer(path: string): Schema {
    const answer = this.#document.paths[`/api/v1/${path}`]?.['get']?.responses['200'];
    const schema = answer?.content?.['application/json']?.schema;
    if (!schema) throw new Error(`the document does not say what GET ${path} answers`);
    return schema;
  }

  /** An entry of the list that a path answers with. */
  entry(path: string): Schema {
    const items = this.#membersOf(this.answer(path)).properties['items'];
    const entry = items && this.#resolve(items).items;
    if (!entry) throw new Error(`GET ${path} answers with no list`);
    return entry;
  }

  component(name: string): Schema {
    return this.#resolve({ $ref: `#/components/schemas/${name}` });
  }

  #compare(at: string, type: ts.Type, schema: Schema): string[] {
    const [own, sent] = [this.#kindsOf(type), this.#kindsSent(schema)];
    const other = [...sent].filter((kind) => !own.has(kind));
    if (other.length > 0) return [`${at} may be ${other.join(' or ')}`];
    if (own.has('array')) return this.#compareEntries(at, type, schema);
    return own.has('object') ? this.#compareMembers(at, type, schema) : [];
  }

  #compareEntries(at: string, type: ts.Type, schema: Schema): string[] {
    const entry = this.#checker.getTypeArguments(this.#present(type) as ts.TypeReference)[0];
    const { items } = this.#resolve(schema);
    return entry && items ? this.#compare(`${at}[]`, entry, items) : [];
  }

  #compareMembers(at: string, type: ts.Type, schema: Schema): string[] {
    const { properties, required } = this.#membersOf(schema);
    // What is described as any object at all says nothing of its members.
    if (Object.keys(properties).length === 0) return [];
    return this.#checker.getPropertiesOfType(this.#present(type)).flatMap((property) => {
      const name = `${at}.${property.name}`;
      const sent = properties[property.name];
      const mayLack = (property.flags & ts.SymbolFlags.Optional) !== 0;
      if (!sent) return mayLack ? [] : [`${name} is never sent`];
      const own = this.#checker.getTypeOfSymbolAtLocation(property, this.#source);
      // The document lets what may be null be left out, and the server writes null.
      const isSent = required.has(property.name) || this.#kindsSent(sent).has('null');
      const lacks = mayLack || isSent ? [] : [`${name} may be left out`];
      return [...lacks, ...this.#compare(name, own, sent)];
    });
  }

  /** A type without null and undefined. */
  #present(type: ts.Type): ts.Type {
    return this.#checker.getNonNullableType(type);
  }

  /** What values may be, in the words of JSON Schema. */
  #kindsOf(type: ts.Type): Set<string> {
    const parts = type.isUnion() ? type.types : [type];
    return new Set(
      parts.flatMap((part) => {
        if (part.flags & ts.TypeFlags.Null) return ['null'];
        if (part.flags & ts.TypeFlags.StringLike) return ['string'];
        if (part.flags & ts.TypeFlags.NumberLike) return ['number'];
        if (part.flags & ts.TypeFlags.BooleanLike) return ['boolean'];
        if (part.flags & ts.TypeFlags.Undefined) return [];
        return this.#checker.isArrayLikeType(part) ? ['array'] : ['object'];
      }),
    );
  }

  #kindsSent(schema: Schema): Set<string> {
    const { type, oneOf = [], anyOf = [], allOf = [] } = this.#resolve(schema);
    const own = [type ?? []].flat().map((kind) => (kind === 'integer' ? 'number' : kind));
    const others = [...oneOf, ...anyOf, ...allOf].flatMap((one) => [...this.#kindsSent(one)]);
    return new Set([...own, ...others]);
  }

  /** The members of an object, which may be put together from several, or be null. */
  #membersOf(schema: Schema): { properties: Record<string, Schema>; required: Set<string> } {
    const { properties = {}, required = [], allOf = [], oneOf = [] } = this.#resolve(schema);
    const objects = oneOf.filter((one) => this.#kindsSent(one).has('object'));
    const parts = [...allOf, ...(objects.length === 1 ? objects : [])];
    const inherited = parts.map((part) => this.#membersOf(part));
    return {
      properties: Object.assign({}, ...inherited.map((part) => part.properties), properties),
      required: new Set([...required, ...inherited.flatMap((part) => [...part.required])]),
    };
  }

  #resolve(schema: Schema): Schema {
    const name = schema.$ref?.replace('#/components/schemas/', '');
    if (name === undefined) return schema;
    const found = this.#document.components.schemas[name];
    if (!found) throw new Error(`the document has no schema ${name}`);
    return this.#resolve(found);
  }
}

// string_decoder: text from pieces of bytes.

class StringDecoder {
  #decoder;
  #kind;
  #rest = new Uint8Array(0);
  constructor(encoding = 'utf8') {
    this.encoding = `${encoding}`.toLowerCase().replace('utf-8', 'utf8');
    this.#kind = internal.encodingOf(encoding);
    if (this.#kind === 0) this.#decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  }
  write(bytes) {
    if (typeof bytes === 'string') return bytes;
    if (this.#decoder) return this.#decoder.decode(bytes, { stream: true });
    const unit = { 2: 2, 4: 3, 5: 3 }[this.#kind] || 1;
    const all = Buffer.concat([this.#rest, bytes]);
    const keep = all.length % unit;
    this.#rest = all.subarray(all.length - keep);
    return sys.decode(all.subarray(0, all.length - keep), this.#kind);
  }
  end(bytes) {
    let text = bytes === undefined ? '' : this.write(bytes);
    if (this.#decoder) text += this.#decoder.decode();
    else if (this.#rest.length > 0 && this.#kind !== 2) text += sys.decode(this.#rest, this.#kind);
    this.#rest = new Uint8Array(0);
    return text;
  }
}
internal.modules.string_decoder = { StringDecoder };

// A scatter plot of up to some million points in WebGL2: ten bytes a point, one draw call. Nothing is compiled from text at run
// time, as the page's policy asks.

const vertexSource = `#version 300 es
in vec2 position; in float color; in float state;
uniform vec2 center; uniform vec2 scale; uniform float size; uniform sampler2D palette; uniform float pass;
out vec4 shade;
void main() {
  bool drawn = pass < 0.5 ? state < 1.5 : state > 1.5;
  gl_Position = drawn ? vec4((position - center) * scale, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = size * (state > 1.5 ? 1.6 : 1.0);
  vec4 found = texelFetch(palette, ivec2(int(color + 0.5), 0), 0);
  shade = vec4(found.rgb, state < 0.5 ? found.a * 0.06 : state > 1.5 ? 1.0 : found.a);
}`;
const fragmentSource = `#version 300 es
precision mediump float;
in vec4 shade; out vec4 result;
void main() {
  vec2 at = gl_PointCoord * 2.0 - 1.0;
  float inside = 1.0 - smoothstep(0.7, 1.0, dot(at, at));
  if (inside <= 0.0) discard;
  result = vec4(shade.rgb, shade.a * inside);
}`;

/** How a point is drawn: faint, plain, or marked. */
export const states = { faint: 0, plain: 1, marked: 2 };

export class Scatter {
  constructor(canvas, positions) {
    this.canvas = canvas;
    this.positions = positions;
    this.count = positions.length / 2;
    this.center = [0, 0];
    this.zoom = 1;
    this.onView = () => {};
    this.colors = new Uint8Array(this.count);
    this.states = new Uint8Array(this.count).fill(states.plain);
    this.palette = new Uint8Array(256 * 4).fill(255);
    this.index();
    this.start();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.start());
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.resize();
  }

  start() {
    const gl = this.gl = this.canvas.getContext("webgl2", {
      antialias: false,
      alpha: true,
      premultipliedAlpha: false,
    });
    if (!gl) throw new Error("this browser has no WebGL2, which draws the map");
    const program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, vertexSource], [gl.FRAGMENT_SHADER, fragmentSource]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    const uniform = (name) => gl.getUniformLocation(program, name);
    this.uniforms = {
      center: uniform("center"),
      scale: uniform("scale"),
      size: uniform("size"),
      pass: uniform("pass"),
    };
    const attribute = (name, data, size, type) => {
      const buffer = gl.createBuffer(), place = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, size, type, false, 0, 0);
      return buffer;
    };
    attribute("position", this.positions, 2, gl.FLOAT);
    this.buffers = {
      colors: attribute("color", this.colors, 1, gl.UNSIGNED_BYTE),
      states: attribute("state", this.states, 1, gl.UNSIGNED_BYTE),
    };
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.enable(gl.BLEND);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.setPalette(this.palette);
  }

  setPalette(palette) {
    const { gl } = this;
    this.palette = palette;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, palette);
    this.draw();
  }

  setColors(colors) {
    this.colors = colors;
    this.upload("colors");
  }

  setStates(points) {
    this.states = points;
    this.upload("states");
  }

  upload(which) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[which]);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, this[which]);
    this.draw();
  }

  resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2), { clientWidth, clientHeight } = this.canvas;
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    this.ratio = ratio;
    this.draw();
  }

  /** Units of the map that a pixel is. */
  get unit() {
    return 2.1 / Math.min(this.canvas.clientWidth || 1, this.canvas.clientHeight || 1) / this.zoom;
  }

  get pointSize() {
    const area = this.canvas.clientWidth * this.canvas.clientHeight / Math.max(1, this.count);
    return Math.min(11, Math.max(1.6, 0.42 * Math.sqrt(area)) * Math.min(3, this.zoom ** 0.35));
  }

  draw() {
    if (this.pending || !this.gl) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      const { gl, uniforms, canvas } = this, { unit } = this;
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(uniforms.center, this.center[0], this.center[1]);
      gl.uniform2f(uniforms.scale, 2 / (canvas.clientWidth * unit), 2 / (canvas.clientHeight * unit));
      gl.uniform1f(uniforms.size, this.pointSize * this.ratio);
      gl.uniform1f(uniforms.pass, 0);
      gl.drawArrays(gl.POINTS, 0, this.count);
      if (this.marks) {
        gl.uniform1f(uniforms.pass, 1);
        gl.drawArrays(gl.POINTS, 0, this.count);
      }
      this.frames = (this.frames ?? 0) + 1;
      this.onView();
    });
  }

  /** Pixels of a point of the map, from the canvas's upper left corner. */
  pixelOf(x, y) {
    const { unit, canvas } = this;
    return [
      (x - this.center[0]) / unit + canvas.clientWidth / 2,
      canvas.clientHeight / 2 - (y - this.center[1]) / unit,
    ];
  }

  placeOf(px, py) {
    const { unit, canvas } = this;
    return [
      (px - canvas.clientWidth / 2) * unit + this.center[0],
      (canvas.clientHeight / 2 - py) * unit + this.center[1],
    ];
  }

  move(dx, dy) {
    const { unit } = this;
    this.center = [this.center[0] - dx * unit, this.center[1] + dy * unit];
    this.draw();
  }

  zoomAt(factor, px, py) {
    const before = this.placeOf(px, py);
    this.zoom = Math.min(5000, Math.max(0.5, this.zoom * factor));
    const after = this.placeOf(px, py);
    this.center = [this.center[0] + before[0] - after[0], this.center[1] + before[1] - after[1]];
    this.draw();
  }

  show(row) {
    this.center = [this.positions[2 * row], this.positions[2 * row + 1]];
    this.draw();
  }

  fit() {
    this.center = [0, 0];
    this.zoom = 1;
    this.draw();
  }

  /** Points sorted into cells, so that the one under the pointer is found at once. */
  index() {
    const side = this.side = Math.min(512, Math.max(8, Math.round(Math.sqrt(this.count / 4))));
    const cellOf = (value) => Math.min(side - 1, Math.max(0, Math.floor((value + 1) / 2 * side)));
    const starts = this.starts = new Uint32Array(side * side + 1), cells = new Uint32Array(this.count);
    for (let i = 0; i < this.count; i++) {
      cells[i] = cellOf(this.positions[2 * i + 1]) * side + cellOf(this.positions[2 * i]);
      starts[cells[i] + 1]++;
    }
    for (let i = 0; i < side * side; i++) starts[i + 1] += starts[i];
    const at = starts.slice(), order = this.order = new Uint32Array(this.count);
    for (let i = 0; i < this.count; i++) order[at[cells[i]]++] = i;
    this.cellOf = cellOf;
  }

  /** The point nearest to a pixel, at most so many pixels away; -1 where there is none. Faint ones are passed over. */
  nearest(px, py, within = 9) {
    const [x, y] = this.placeOf(px, py), reach = within * this.unit, { side, cellOf } = this;
    let best = -1, least = reach * reach;
    for (let cy = cellOf(y - reach); cy <= cellOf(y + reach); cy++) {
      for (let cx = cellOf(x - reach); cx <= cellOf(x + reach); cx++) {
        const cell = cy * side + cx;
        for (let k = this.starts[cell]; k < this.starts[cell + 1]; k++) {
          const i = this.order[k];
          if (this.states[i] === 0) continue;
          const d = (this.positions[2 * i] - x) ** 2 + (this.positions[2 * i + 1] - y) ** 2;
          if (d < least) [least, best] = [d, i];
        }
      }
    }
    return best;
  }

  /** Points within a polygon of pixels. */
  within(polygon) {
    const corners = polygon.map(([x, y]) => this.placeOf(x, y)), found = [];
    const xs = corners.map(([x]) => x), ys = corners.map(([, y]) => y);
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    for (let i = 0; i < this.count; i++) {
      const x = this.positions[2 * i], y = this.positions[2 * i + 1];
      if (x < left || x > right || y < low || y > high || this.states[i] === 0) continue;
      let inside = false;
      for (let a = 0, b = corners.length - 1; a < corners.length; b = a++) {
        const [ax, ay] = corners[a], [bx, by] = corners[b];
        if (ay > y !== by > y && x < (bx - ax) * (y - ay) / (by - ay) + ax) inside = !inside;
      }
      if (inside) found.push(i);
    }
    return found;
  }
}

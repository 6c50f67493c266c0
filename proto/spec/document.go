package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxSize bounds a spec, as text and as a message.
const maxSize = 1 << 20

// text is where nodes come from: a file, or the value of an override.
type text struct {
	file     string // as in Problem
	lines    []string
	override bool // has no lines to show
}

// problem describes what is wrong at node; a nil node is the text's beginning.
func (t *text) problem(node *yaml.Node, path, message string) Problem {
	p := Problem{File: t.file, Path: path, Message: message}
	if t.override {
		return p
	}
	p.Line, p.Column = 1, 1
	if node != nil {
		p.Line, p.Column = node.Line, node.Column
	}
	if p.Line <= len(t.lines) {
		p.text = t.lines[p.Line-1]
	}
	return p
}

// parseDocument returns the root of the only document in data, or nil and the reason.
func parseDocument(file string, data []byte) (*text, *yaml.Node, []Problem) {
	t := &text{file: file}
	refuse := func(node *yaml.Node, message string) (*text, *yaml.Node, []Problem) {
		return t, nil, []Problem{t.problem(node, "", message)}
	}
	if len(data) > maxSize {
		return refuse(nil, fmt.Sprintf("the file has %d bytes, at most %d are allowed", len(data), maxSize))
	}
	if at := invalidUTF8(data); at >= 0 {
		line := bytes.Count(data[:at], []byte("\n")) + 1
		return refuse(&yaml.Node{Line: line, Column: at - bytes.LastIndexByte(data[:at], '\n')}, fmt.Sprintf("byte 0x%02x is not UTF-8", data[at]))
	}
	t.lines = lineBreak.Split(string(data), -1)
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	if err := decoder.Decode(&first); err != nil && !errors.Is(err, io.EOF) {
		return refuse(t.syntax(err))
	}
	if first.Kind == 0 || len(first.Content) == 0 {
		return refuse(nil, "the file is empty; a spec needs data and model")
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return refuse(&second, "a second document begins here, one is allowed")
	case !errors.Is(err, io.EOF):
		return refuse(t.syntax(err))
	}
	return t, first.Content[0], nil
}

// lineBreak is what YAML takes for one.
var lineBreak = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

// invalidUTF8 returns the place of the first byte that is not part of UTF-8 text, or -1.
func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

var syntaxLine = regexp.MustCompile(`^yaml: line (\d+): `)

// syntax finds the place of an error of the YAML parser, which names no column and sometimes no line: then it is the
// line's first character, or the file's.
func (t *text) syntax(err error) (*yaml.Node, string) {
	at := &yaml.Node{Line: 1, Column: 1}
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := syntaxLine.FindStringSubmatch(err.Error()); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		message = strings.TrimPrefix(err.Error(), m[0])
	}
	at.Line = max(1, min(at.Line, len(t.lines)))
	line := t.lines[at.Line-1]
	at.Column = utf8.RuneCountInString(line[:len(line)-len(strings.TrimLeft(line, " \t"))]) + 1
	return at, "not YAML: " + message
}

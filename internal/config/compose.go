package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// pieceSize is how much text of the hosts is held as nodes at once. A node tree
// takes some twenty times the memory of its text, and almost all text of a
// large site is its list of hosts.
const pieceSize = 64 << 10

// document reads data, whose top level has the given fields.
//
// Where the list of hosts is long it is read in pieces, and the rest as if the
// list was empty. Nobody needs to trust that the cut was right: any doubt, such
// as a piece that is not a list by itself, or an alias that leads elsewhere,
// and everything is read again as a whole.
func (r *reader) document(data []byte, top fields) (ok bool, err error) {
	if c, ok := cutHosts(data, r.piece); ok {
		before, config := *r, *r.config
		r.cut = &c
		if root, err := compose(c.rest); err == nil {
			ok = r.object(root, "the file", top)
		}
		if c.done {
			r.cut = nil
			return ok, nil
		}
		*r, *r.config = before, config
		for i := range top {
			top[i].found = nil
		}
	}
	root, err := compose(data)
	if err != nil {
		return false, err
	}
	return r.object(root, "the file", top), nil
}

// compose makes nodes of the one document in data.
func compose(data []byte) (root *yaml.Node, err error) {
	defer func() {
		if recover() != nil { // a defect of the library
			root, err = nil, errors.New("is YAML that cannot be read here; write it more simply")
		}
	}()
	// The schema is six levels deep.
	l, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(64))))
	if err != nil {
		return nil, err
	}
	var doc, next yaml.Node
	switch err := l.Load(&doc); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("is empty; see the reference file for what it needs")
	case err != nil:
		return nil, syntax(data, err)
	}
	switch err := l.Load(&next); {
	case err == nil:
		return nil, &flaw{next.Line, next.Column, "a second document begins here; one file is one document, so remove the \"---\""}
	case !errors.Is(err, io.EOF):
		return nil, syntax(data, err)
	}
	root = doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Value == "" {
		return nil, errors.New("is empty; see the reference file for what it needs")
	}
	return root, nil
}

// syntax says in the words of a person what the library found. It never repeats
// text of the file, which may be a password.
func syntax(data []byte, err error) error {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		return errors.New("is not YAML")
	}
	f := &flaw{e.Mark.Line, e.Mark.Column, "not YAML: " + e.Message}
	if e.ContextMsg != "" && e.ContextMark.Line > 0 {
		f.message = fmt.Sprintf("not YAML: %s, %s (line %d); check the indentation and the quotes", e.Message, e.ContextMsg, e.ContextMark.Line)
	}
	switch {
	case strings.HasPrefix(e.Message, "unknown anchor"):
		f.message = "an alias of an anchor that is not there; text that begins with * needs quotes"
	case strings.HasPrefix(e.Message, "mapping values are not allowed"):
		f.message = "a \":\" where no key can be; indent like the lines above, and put text with \": \" in it in quotes"
	case strings.Contains(e.Message, "tab character"), byteAt(data, f.line, f.column) == '\t':
		f.message = "a tab where spaces belong; YAML is indented by spaces only"
	case strings.HasPrefix(e.Message, "found character that cannot start"):
		f.message = "text that begins with @, ` or % needs quotes"
	case strings.HasPrefix(e.Message, "found character '"):
		f.message = "a tag that is none; text that begins with ! needs quotes"
	case strings.HasPrefix(e.Message, "exceeded max depth"):
		f.message = "nested deeper than any configuration; is it the right file?"
	}
	return f
}

func byteAt(data []byte, line, column int) byte {
	for ; line > 1; line-- {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	if column < 1 || column > len(data) {
		return 0
	}
	return data[column-1]
}

// A cut is a file whose list of hosts was taken out.
type cut struct {
	rest   []byte // the file with only line ends in place of the list
	line   int    // of the key "hosts"
	pieces []piece
	done   bool // every piece was read
}

// A piece is some of the hosts.
type piece struct {
	text []byte
	line int // how many lines come before it
}

// cutHosts takes the list of hosts out of data, in pieces of at least size
// bytes. It knows of YAML no more than that a block list goes on for as long as
// lines are indented deeper than its dashes.
func cutHosts(data []byte, size int) (c cut, ok bool) {
	if len(data) < 2*size || strangeLineEnds(data) {
		return c, false
	}
	var (
		line   int // from 0
		begin  int // of the piece, in data
		first  = -1
		last   int
		indent = -1
	)
	for at := 0; at < len(data); line++ {
		text, next := data[at:], len(data)
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			text, next = text[:end], at+end+1
		}
		content := bytes.TrimLeft(text, " ")
		deep := len(text) - len(content)
		blank := len(content) == 0 || content[0] == '#'
		switch {
		case c.line == 0:
			if isHostsKey(text) {
				c.line = line + 1
			}
		case blank:
		case indent < 0 && !isDash(content):
			return c, false
		case indent < 0:
			indent, first, begin = deep, at, at
			c.pieces = append(c.pieces, piece{line: line})
		case deep == indent && isDash(content):
			if at-begin >= size {
				c.pieces[len(c.pieces)-1].text = data[begin:at]
				c.pieces = append(c.pieces, piece{line: line})
				begin = at
			}
		case deep <= indent:
			last = at
		}
		if last > 0 {
			break
		}
		at = next
	}
	if first < 0 {
		return c, false
	}
	if last == 0 {
		last = len(data)
	}
	c.pieces[len(c.pieces)-1].text = data[begin:last]
	c.rest = append(c.rest, data[:first]...)
	c.rest = append(c.rest, bytes.Repeat([]byte("\n"), bytes.Count(data[first:last], []byte("\n")))...)
	c.rest = append(c.rest, data[last:]...)
	// An alias behind the list may mean an anchor in it, although there is one
	// of that name before it. All other aliases that are torn from their anchors
	// are errors, and tell that the cut was wrong.
	return c, bytes.IndexByte(c.rest, '&') < 0 || bytes.IndexByte(c.rest, '*') < 0
}

// strangeLineEnds says whether a line may end otherwise than by "\n" alone:
// YAML 1.1 section 5.4 has more line breaks.
func strangeLineEnds(data []byte) bool {
	return bytes.IndexByte(data, '\r') >= 0 || bytes.Contains(data, []byte("\u0085")) ||
		bytes.Contains(data, []byte("\u2028")) || bytes.Contains(data, []byte("\u2029"))
}

func isHostsKey(text []byte) bool {
	rest, ok := bytes.CutPrefix(text, []byte("hosts:"))
	trimmed := bytes.TrimLeft(rest, " ")
	return ok && (len(trimmed) == 0 || trimmed[0] == '#' && len(trimmed) < len(rest))
}

func isDash(content []byte) bool {
	return content[0] == '-' && (len(content) == 1 || content[1] == ' ')
}

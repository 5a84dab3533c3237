package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/pxe-pilot/pxe-pilot"
)

// A reader is the state of one Load.
type reader struct {
	config   *Config
	hosts    []entry
	loaders  []loader
	adapters []adapter // parallel to config.Adapters
	managed  []managed
	problems []finding
	untold   int // problems that were too many to keep
	warnings []finding

	hostsDirectory   place // of the key
	directoryAt      place // of configuration.directory
	verifyAt         place // of deploy.verify
	stateAt          place // of state, wherever it stands
	stateDirectoryAt place // of its directory
	addressed        bool  // there is a tftp.address, be it right or wrong

	commands Commands // what knows of adapters' commands
	files    []file

	// Of the file that is being read:
	file     int  // its index in config.Files
	line     int  // how many lines come before the nodes at hand
	budget   int  // how many more values may be read, aliases followed
	password bool // there is one in it
	piece    int
	cut      *cut
}

// A place is where something stands in the files.
type place struct {
	file, line, column int32
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.file, q.file), cmp.Compare(p.line, q.line), cmp.Compare(p.column, q.column))
}

// A finding is a Problem or a warning before it gets the name of its file.
type finding struct {
	at      place
	message string
}

func (r *reader) begin(path string) {
	r.config.Files = append(r.config.Files, path)
	r.file, r.line, r.password = len(r.config.Files)-1, 0, false
}

// here is the file that is being read, as a whole.
func (r *reader) here() place { return place{file: int32(r.file)} }

func (r *reader) at(n *yaml.Node) place {
	return place{int32(r.file), int32(r.line + n.Line), int32(n.Column)}
}

func (r *reader) tell(at place, format string, args ...any) {
	if len(r.problems) >= 10*mostProblems {
		r.untold++
		return
	}
	r.problems = append(r.problems, finding{at, fmt.Sprintf(format, args...)})
}

func (r *reader) warn(at place, format string, args ...any) {
	r.warnings = append(r.warnings, finding{at, fmt.Sprintf(format, args...)})
}

func (r *reader) wrong(n *yaml.Node, format string, args ...any) { r.tell(r.at(n), format, args...) }

// where names the place of something else in a message at from.
func (r *reader) where(from, other place) string {
	if from.file == other.file {
		return fmt.Sprintf("line %d", other.line)
	}
	return fmt.Sprintf("%s:%d", r.config.Files[other.file], other.line)
}

// spend says whether one more value may be read. Aliases could otherwise make a
// short file an endless one.
func (r *reader) spend(n *yaml.Node) bool {
	switch r.budget--; {
	case r.budget == -1:
		r.wrong(n, "the aliases make this file more than ten times as long; write out what they stand for")
		fallthrough
	case r.budget < 0:
		return false
	}
	return true
}

// follow returns what n stands for. An alias is reported at its anchor, where
// the text is.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// is says whether n is of the kind, which reads as want, and tells where not.
func (r *reader) is(n *yaml.Node, kind yaml.Kind, what, want string) bool {
	var got string
	switch {
	case n.Style&yaml.TaggedStyle != 0 && n.Tag != "!!str" && n.Tag != "!!seq" && n.Tag != "!!map":
		r.wrong(n, "%s has a tag; remove it, or put text that begins with ! in quotes", what)
		return false
	case n.Kind == kind:
		return true
	case n.Kind == yaml.MappingNode:
		got = "keys with values"
	case n.Kind == yaml.SequenceNode:
		got = "a list"
	case isNull(n):
		r.wrong(n, "%s has no value; want %s", what, want)
		return false
	default:
		got = "text"
	}
	r.wrong(n, "%s must be %s, not %s", what, want, got)
	return false
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

// text returns a scalar as it was typed. It never repeats it in a message: it
// may be a password.
func (r *reader) text(n *yaml.Node, what string) (string, bool) {
	n = follow(n)
	if !r.is(n, yaml.ScalarNode, what, "text") {
		return "", false
	}
	if isNull(n) {
		if n.Value == "" {
			r.wrong(n, "%s has no value; give it one, or remove the key", what)
		} else {
			r.wrong(n, "%s has no value; if the word itself is meant, put it in quotes", what)
		}
		return "", false
	}
	return n.Value, true
}

// word is text that is not empty and can be printed on one line.
func (r *reader) word(n *yaml.Node, what string) (string, bool) {
	s, ok := r.text(n, what)
	switch {
	case !ok:
		return "", false
	case s == "":
		r.wrong(follow(n), "%s is empty; give it a value, or remove the key", what)
		return "", false
	}
	for _, c := range s {
		if !pxepilot.Printable(c) {
			r.wrong(follow(n), "%s contains a control character; remove it", what)
			return "", false
		}
	}
	return s, true
}

// choice is one of the words.
func (r *reader) choice(n *yaml.Node, what string, words ...string) string {
	s, ok := r.word(n, what)
	if !ok {
		return ""
	}
	if slices.Contains(words, s) {
		return s
	}
	r.wrong(follow(n), "%s is %s; want %s", what, pxepilot.Quote(s), strings.Join(words, " or "))
	return ""
}

// number is a decimal number within bounds, whether in quotes or not; 0 where it
// is none.
func (r *reader) number(n *yaml.Node, what string, least, most int) int {
	s, ok := r.word(n, what)
	if !ok {
		return 0
	}
	i, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(i) != s || i < least || i > most {
		r.wrong(follow(n), "%s is %s; want a number from %d to %d", what, pxepilot.Quote(s), least, most)
		return 0
	}
	return i
}

// list calls each for the elements of a list, which reads as want.
func (r *reader) list(n *yaml.Node, what, want string, each func(*yaml.Node)) {
	n = follow(n)
	if !r.is(n, yaml.SequenceNode, what, want) {
		return
	}
	for _, v := range n.Content {
		if !r.spend(v) {
			return
		}
		each(v)
	}
}

// oneOrMore calls each for the elements of a list, or for a text that stands
// alone.
func (r *reader) oneOrMore(n *yaml.Node, what, want string, each func(*yaml.Node)) {
	if v := follow(n); v.Kind == yaml.ScalarNode && !isNull(v) {
		each(n)
		return
	}
	r.list(n, what, want, each)
}

// fields are the keys of a mapping and what reads their values.
type fields []field

type field struct {
	key   string
	read  func(*yaml.Node)
	found *yaml.Node // the key, once it was seen
}

// at returns the key of that name where the mapping has it, else nil.
func (f fields) at(key string) *yaml.Node {
	for i := range f {
		if f[i].key == key {
			return f[i].found
		}
	}
	return nil
}

func (f fields) keys() []string {
	keys := make([]string, len(f))
	for i := range f {
		keys[i] = f[i].key
	}
	return keys
}

// object reads a mapping whose keys are all known. It says whether it was one.
// A key that was mistyped counts as found: nobody wants to hear that it is
// missing as well.
func (r *reader) object(n *yaml.Node, what string, f fields) bool {
	var mistyped []*yaml.Node
	defer func() {
		for _, k := range mistyped {
			for i := range f {
				if f[i].found == nil && slices.Contains(pxepilot.Nearest(k.Value, f.keys()), f[i].key) {
					f[i].found = k
				}
			}
		}
	}()
	return r.pairs(n, what, func(k, v *yaml.Node, merged bool) {
		for i := range f {
			switch {
			case f[i].key != k.Value:
				continue
			case f[i].found == nil:
				f[i].found = k
				f[i].read(v)
			case !merged:
				r.wrong(k, "%s is already in line %d; remove one of them", k.Value, r.line+f[i].found.Line)
			}
			return
		}
		hint := pxepilot.DidYouMean(k.Value, f.keys())
		if hint == "" {
			hint = "; want " + strings.Join(f.keys(), ", ")
		}
		mistyped = append(mistyped, k)
		r.wrong(k, "unknown key %s in %s%s", pxepilot.Quote(k.Value), what, hint)
	})
}

// pairs calls each for the keys and values of a mapping: first for its own, then
// for those that it merges (YAML's "<<"), which its own win over.
func (r *reader) pairs(n *yaml.Node, what string, each func(k, v *yaml.Node, merged bool)) bool {
	n = follow(n)
	if !r.is(n, yaml.MappingNode, what, "keys with values") {
		return false
	}
	r.pairsOf(n, what, each, 0)
	return true
}

// deepest bounds how many mappings may merge one another in a row.
const deepest = 10

func (r *reader) pairsOf(n *yaml.Node, what string, each func(k, v *yaml.Node, merged bool), depth int) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := follow(n.Content[i]), n.Content[i+1]
		switch {
		case !r.spend(k):
			return
		case k.Kind != yaml.ScalarNode:
			r.wrong(k, "a key of %s must be text", what)
		case k.Tag != "!!merge":
			each(k, v, depth > 0)
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := follow(n.Content[i]); k.Kind != yaml.ScalarNode || k.Tag != "!!merge" {
			continue
		}
		sources := []*yaml.Node{n.Content[i+1]}
		if v := follow(sources[0]); v.Kind == yaml.SequenceNode {
			sources = v.Content
		}
		for _, s := range sources {
			m := follow(s)
			switch {
			case !r.spend(s):
				return
			case depth == deepest:
				r.wrong(s, "<< merges what merges itself; write it out")
			case m.Kind != yaml.MappingNode:
				r.wrong(s, "<< merges keys with values, such as an alias of them")
			default:
				r.pairsOf(m, what, each, depth+1)
			}
		}
	}
}

package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/pxe-pilot/pxe-pilot"
)

// The defaults of state: as long as anybody asks who did what, and as much as any
// disk has.
const (
	defaultKeep    = 2 * 365 * 24 * time.Hour
	defaultMaxSize = 1e9
)

// The least that is kept. A journal that forgets at once could not undo either.
const (
	leastKeep    = time.Hour
	leastMaxSize = 1e6
)

// state is a section of the top level that may stand under server as well, by the
// name of what.
func (r *reader) state(n *yaml.Node, what string) {
	at := r.at(follow(n))
	if r.stateAt != (place{}) {
		r.tell(at, "state is in line %d already; it stands at the top level or under server, not in both", r.stateAt.line)
	}
	r.stateAt = at
	s := &r.config.State
	r.object(n, what, fields{
		{key: "directory", read: func(v *yaml.Node) {
			s.Directory, r.stateDirectoryAt = r.absolute(v, what+".directory"), r.at(follow(v))
		}},
		{key: "required", read: func(v *yaml.Node) { s.Required = r.choice(v, what+".required", "true", "false") == "true" }},
		{key: "keep", read: func(v *yaml.Node) {
			s.Keep = measure(r, v, what+".keep", "a time such as 720h or 90d, at least 1h", leastKeep, pxepilot.ParseDuration)
		}},
		{key: "max_size", read: func(v *yaml.Node) {
			s.MaxSize = measure(r, v, what+".max_size", "a size such as 256MB or 1GiB, at least 1MB", leastMaxSize, size)
		}},
	})
}

// measure is text that parse can read, at least so much; 0 where it is not.
func measure[T ~int64](r *reader, n *yaml.Node, what, want string, least T, parse func(string) (T, error)) T {
	s, ok := r.word(n, what)
	if !ok {
		return 0
	}
	if m, err := parse(s); err == nil && m >= least {
		return m
	}
	r.wrong(follow(n), "%s is %s; want %s", what, pxepilot.Quote(s), want)
	return 0
}

// checkState tells that what is kept could be read by everybody.
func (r *reader) checkState() {
	dir, root := r.config.State.Directory, r.config.TFTP.Root
	if dir != "" && root != "" && (dir == root || strings.HasPrefix(dir, strings.TrimSuffix(root, "/")+"/")) {
		r.tell(r.stateDirectoryAt, "the state directory %s is inside of tftp.root, whose files everybody can read; name another one, such as /var/lib/pxe-pilot",
			pxepilot.Quote(dir))
	}
}

// units of sizes: of the metric system, and of computers.
var units = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"B", 1},
}

// size reads a number of bytes.
func size(s string) (int64, error) {
	for _, u := range units {
		if number, ok := strings.CutSuffix(s, u.name); ok {
			number = strings.TrimSuffix(number, " ")
			n, err := strconv.ParseInt(number, 10, 64)
			if err != nil || strconv.FormatInt(n, 10) != number || n < 0 || n > math.MaxInt64/u.bytes {
				break
			}
			return n * u.bytes, nil
		}
	}
	return 0, errors.New("not a size")
}

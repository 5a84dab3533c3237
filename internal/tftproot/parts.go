package tftproot

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

const (
	// maxParts is how many files of a directory are told as what goes with it. A
	// Raspberry Pi's firmware has 300 overlays, of which a machine asks for a few.
	maxParts = 100
	// maxPart is the size of the largest such file. What a configuration differs by is
	// small; the kernel takes a TFTP server seconds.
	maxPart = 1 << 20
)

// belongings are what goes with a configuration that is a directory.
type belongings struct {
	files  []string // by path below the directory, its own ones first
	closed []string // why the user of a TFTP server does not get further ones, a phrase each
}

// belongings finds what goes with a file in a directory, asked for by path below the
// root, once for each configuration.
func (e *explainer) belongings(l int, asked string, configuration string) *belongings {
	of := variantName{l, configuration}
	if b, known := e.parts[of]; known {
		return b
	}
	b := &belongings{}
	e.parts[of] = b
	w, err := e.walk(e.confDir(l).loc, configuration)
	if err != nil {
		return b
	}
	var found []string
	tree, left := e.trees[w.at.tree].FS(), maxEntries
	_ = fs.WalkDir(tree, w.at.path, func(p string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(strings.TrimPrefix(p, w.at.path), "/")
		base := path.Base(p)
		switch left--; {
		case left < 0:
			return fs.SkipAll
		case name == "":
			return nil
		case (strings.HasPrefix(base, ".") || strings.HasSuffix(base, "~")) && entry.IsDir():
			return fs.SkipDir
		case err != nil && entry.IsDir():
			name += "/x" // which nobody gets
		case err != nil, entry.IsDir(), strings.HasPrefix(base, "."), strings.HasSuffix(base, "~"):
			return nil
		}
		found = append(found, name)
		return nil
	})
	slices.SortStableFunc(found, func(x, y string) int { return strings.Count(x, "/") - strings.Count(y, "/") })
	for _, name := range found {
		part := path.Join(path.Dir(asked), name)
		switch s := e.look.find(part, false); {
		case s.found == pxepilot.Unreadable && !slices.Contains(b.closed, e.look.says(s, s)):
			b.closed = append(b.closed, e.look.says(s, s))
			fallthrough
		case s.found == pxepilot.Unreadable, s.found == pxepilot.Readable && s.size <= maxPart:
			if len(b.files) < maxParts {
				b.files = append(b.files, name)
			}
		}
	}
	return b
}

// partsOf lists what goes with the file at a step, by path below the root.
func (e *explainer) partsOf(l int, ask *pxepilot.Ask) []string {
	if !e.root.loaders[l].Directory || ask.Configuration == "" {
		return nil
	}
	var parts []string
	for _, name := range e.belongings(l, ask.Path, ask.Configuration).files {
		if part := path.Join(path.Dir(ask.Path), name); part != ask.Path {
			parts = append(parts, part)
		}
	}
	return parts
}

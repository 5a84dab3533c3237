package tftproot

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/pxe-pilot/pxe-pilot"
)

// A lead is where a link's text leads.
type lead struct {
	state         pxepilot.State // Configured, Dangling or Foreign
	configuration string
	through       []spot // the further links that it leads through
}

// A resolution is a text whose end had to be looked up on the disk, outside the
// directories that stamps cover, and where it ended.
type resolution struct {
	dir  int
	text string
	ends string
}

// A linkConf is an entry of a configuration directory that is itself a link.
type linkConf struct {
	loader int
	name   string
	is     bool
}

// follow tells where a link of loader l, in directory at, with a text leads. It
// notes in the snapshot what the stamps of directories do not cover.
func (s *session) follow(snap *snapshot, l, at int, text string) lead {
	var through []spot
	for range maxLinks {
		to, ok := s.locate(at, text)
		if !ok {
			return s.followFar(snap, l, at, text, through)
		}
		if to.dir == s.conf[l] && snap.confs[l][to.base] {
			return lead{pxepilot.Configured, to.base, through}
		}
		next, err := readlinkString(s.dirs[to.dir], to.base)
		switch {
		case err == nil && slices.Contains(through, to):
			return lead{state: pxepilot.Dangling, through: through} // a circle
		case err == nil:
			through = append(through, to)
			at, text = to.dir, next
		case leadsNowhere(err):
			return lead{state: pxepilot.Dangling, through: snap.upTo(through, to)}
		default:
			return lead{state: pxepilot.Foreign, through: snap.upTo(through, to)}
		}
	}
	return lead{state: pxepilot.Dangling, through: through}
}

// upTo adds the end of a lead where that is the place of a host's link, though
// none is there now: it will be switched with it.
func (c *snapshot) upTo(through []spot, end spot) []spot {
	if _, owned := c.bound.ownerOf(end); owned {
		return append(through, end)
	}
	return through
}

// leadsNowhere says whether an error means that a path has no end.
func leadsNowhere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errLoop) ||
		errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG)
}

// locate finds where a text leads without asking the disk, which it can where
// that is a name right in one of the session's directories: they are resolved,
// so that ".." is exact and no component in between can be a link.
func (s *session) locate(at int, text string) (spot, bool) {
	if text == "" || text != path.Clean(text) {
		return spot{}, false
	}
	d := s.dirs[at]
	where := d.loc
	if path.IsAbs(text) {
		tree, rel, ok := s.mapAbsolute(text)
		if !ok {
			return spot{}, false
		}
		where.tree, where.path, text = tree, ".", rel
	}
	for strings.HasPrefix(text, "../") {
		if where.path == "." {
			return spot{}, false
		}
		where.path, text = path.Dir(where.path), text[len("../"):]
	}
	dirname, base := path.Split(text)
	if base == "" || base == "." || base == ".." {
		return spot{}, false
	}
	where.path = path.Join(where.path, dirname)
	i, ok := s.byLoc[where]
	if !ok || s.dirs[i].missing() {
		return spot{}, false
	}
	return spot{i, base}, true
}

// followFar asks the disk where a text leads, component by component.
func (s *session) followFar(snap *snapshot, l, at int, text string, through []spot) lead {
	snap.resolved = append(snap.resolved, resolution{at, text, s.resolve(at, text)})
	w, err := s.walk(s.dirs[at].loc, text)
	if err == nil && 1+len(through)+len(w.links) > maxLinks {
		err = errLoop
	}
	for _, link := range w.links {
		i, ok := s.byLoc[loc{link.tree, path.Dir(link.path)}]
		if !ok {
			continue
		}
		to := spot{i, path.Base(link.path)}
		if err == nil && s.endsAs(snap, l, to, w.at) {
			return lead{pxepilot.Configured, to.base, through}
		}
		through = append(through, to)
	}
	end := w.at
	for rest := w.rest; ; rest = rest[1:] {
		if i, ok := s.byLoc[loc{end.tree, path.Dir(end.path)}]; ok {
			to := spot{i, path.Base(end.path)}
			if err == nil && to.dir == s.conf[l] && snap.confs[l][to.base] {
				return lead{pxepilot.Configured, to.base, through}
			}
			through = snap.upTo(through, to)
		}
		if len(rest) == 0 || rest[0] == ".." { // which nothing has that is missing
			break
		}
		end.path = path.Join(end.path, rest[0])
	}
	if err != nil && leadsNowhere(err) {
		return lead{state: pxepilot.Dangling, through: through}
	}
	return lead{state: pxepilot.Foreign, through: through}
}

// endsAs says whether a link that a path went through is a configuration, which
// is a link itself, and where the path ended is that configuration.
func (s *session) endsAs(snap *snapshot, l int, to spot, end loc) bool {
	if to.dir != s.conf[l] || !snap.confs[l][to.base] {
		return false
	}
	w, err := s.walk(s.dirs[to.dir].loc, to.base)
	return err == nil && w.at == end
}

// resolve is the end of a text in a form that changes when the end does.
func (s *session) resolve(at int, text string) string {
	w, err := s.walk(s.dirs[at].loc, text)
	var b strings.Builder
	for _, l := range w.links {
		b.WriteString(s.trees[l.tree].path + "\x00" + l.path + "\x00")
	}
	b.WriteString(s.trees[w.at.tree].path + "\x00" + w.at.path + "\x00")
	switch {
	case err != nil:
		b.WriteString(plain(err).Error())
	default:
		b.WriteString(w.info.Mode().Type().String())
	}
	return b.String()
}

// configurations lists the configurations of loader l.
func (s *session) configurations(snap *snapshot, l int) (map[string]bool, error) {
	d := s.confDir(l)
	set := map[string]bool{}
	if d.missing() {
		return set, nil
	}
	entries, err := list(d)
	if err != nil {
		return nil, broken(s.root.theirDirectory(s.root.loaders[l]), s.root.loaders[l].directory, err)
	}
	for _, e := range entries {
		if !s.mayBeConfiguration(l, e.name) {
			continue
		}
		is := e.kind == 0 && !s.root.loaders[l].Directory || e.kind == fs.ModeDir && s.root.loaders[l].Directory
		if e.kind == fs.ModeSymlink {
			is = s.linkIsConfiguration(l, e.name)
			snap.linkConfs = append(snap.linkConfs, linkConf{l, e.name, is})
		}
		if is {
			set[e.name] = true
		}
	}
	return set, nil
}

// mayBeConfiguration says whether a name is one of a configuration: neither a
// dotfile nor a backup, nor a name that loaders ask for.
func (s *session) mayBeConfiguration(l int, base string) bool {
	if pxepilot.CheckName(base) != nil || strings.HasPrefix(base, ".") {
		return false
	}
	for _, suffix := range []string{"~", ".bak", ".swp"} {
		if strings.HasSuffix(base, suffix) {
			return false
		}
	}
	for i := range s.root.loaders {
		for _, d := range s.root.loaders[i].Dirs() {
			if s.linkDir[d] == s.conf[l] && s.root.loaders[i].Reserved(base) {
				return false
			}
		}
	}
	return true
}

// isConfiguration asks the disk about one name.
func (s *session) isConfiguration(l int, base string) bool {
	d := s.confDir(l)
	if d.missing() || !s.mayBeConfiguration(l, base) {
		return false
	}
	kind, err := kindOf(d, base)
	switch {
	case err != nil:
		return false
	case kind == fs.ModeSymlink:
		return s.linkIsConfiguration(l, base)
	}
	return kind == 0 && !s.root.loaders[l].Directory || kind == fs.ModeDir && s.root.loaders[l].Directory
}

// linkIsConfiguration says whether an entry that is a link leads to what a
// configuration of the loader is: a regular file, or a directory.
func (s *session) linkIsConfiguration(l int, base string) bool {
	w, err := s.walk(s.confDir(l).loc, base)
	if err != nil {
		return false
	}
	if s.root.loaders[l].Directory {
		return w.info.IsDir()
	}
	return w.info.Mode().IsRegular()
}

package tftproot

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// A walked path ended at a file, a directory, or where nothing is.
type walked struct {
	at      loc         // where it ended
	info    fs.FileInfo // nil where nothing is
	rest    []string    // what of the path is left below the first missing component
	links   []loc       // the symbolic links that were followed
	outside string      // the absolute path by which it left the trees
}

// maxLinks is how many symbolic links a path may lead through: the kernel's own
// limit, path_resolution(7).
const maxLinks = 40

// walk resolves a path from a directory as the kernel would, but never outside
// the trees: os.Root refuses every absolute link, even one that stays inside, so
// links are read and mapped here.
func (s *session) walk(at loc, rel string) (walked, error) {
	w := walked{at: at}
	if path.IsAbs(rel) {
		tree, in, ok := s.mapAbsolute(rel)
		if !ok {
			w.outside = rel
			return w, errLeaves
		}
		at, rel = loc{tree, "."}, in
	}
	done, pending := components(at.path), asked(rel)
	w.at = loc{at.tree, joined(done)}
	for len(pending) > 0 {
		c := pending[0]
		pending = pending[1:]
		if c == "." {
			continue
		}
		if c == ".." {
			if len(done) > 0 {
				done = done[:len(done)-1]
				w.at.path, w.info = joined(done), nil
				continue
			}
			outside := above(s.trees[w.at.tree].real, pending)
			tree, in, ok := s.mapAbsolute(outside)
			if !ok {
				w.outside = outside
				return w, errLeaves
			}
			w.at, w.info, done, pending = loc{tree, "."}, nil, nil, asked(in)
			continue
		}
		full := joined(append(done[:len(done):len(done)], c))
		info, err := s.trees[w.at.tree].Lstat(full)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				w.at.path, w.info, w.rest = full, nil, pending
			}
			return w, err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			if len(pending) > 0 && !info.IsDir() {
				return w, syscall.ENOTDIR
			}
			done = append(done[:len(done):len(done)], c)
			w.at.path, w.info = full, info
			continue
		}
		if len(w.links) == maxLinks {
			return w, errLoop
		}
		w.links = append(w.links, loc{w.at.tree, full})
		text, err := s.trees[w.at.tree].Readlink(full)
		if err != nil {
			return w, err
		}
		w.info = nil
		if path.IsAbs(text) {
			tree, in, ok := s.mapAbsolute(text)
			if !ok {
				w.outside = strings.Join(append([]string{text}, pending...), "/")
				return w, errLeaves
			}
			w.at, done, text = loc{tree, "."}, nil, in
		}
		pending = append(asked(text), pending...)
	}
	if w.info == nil {
		info, err := s.trees[w.at.tree].Lstat(w.at.path)
		if err != nil {
			return w, err
		}
		w.info = info
	}
	return w, nil
}

// mapAbsolute finds the tree that an absolute path is in, by its declared and by
// its real path, and returns the rest of the path.
func (s *session) mapAbsolute(p string) (tree int, rel string, ok bool) {
	for i, t := range s.trees {
		for _, prefix := range []string{t.path, t.real} {
			if rest, ok := below(prefix, p); ok {
				return i, rest, true
			}
		}
	}
	return 0, "", false
}

// below takes the components of prefix away from the front of p. A ".." among
// them is not resolved lexically: it may follow a link.
func below(prefix, p string) (string, bool) {
	want, have := components(prefix), asked(p)
	if len(have) < len(want) {
		return "", false
	}
	for i := range want {
		if have[i] != want[i] {
			return "", false
		}
	}
	return joined(have[len(want):]), true
}

func components(p string) []string {
	var list []string
	for c := range strings.SplitSeq(p, "/") {
		if c != "" && c != "." {
			list = append(list, c)
		}
	}
	return list
}

// asked is the components of a path as somebody wrote it. A path that ends in a
// slash, or in a dot, asks for a directory; a dot at the end stands for that.
func asked(p string) []string {
	list := components(p)
	if len(list) > 0 && (strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.")) {
		list = append(list, ".")
	}
	return list
}

// above is the absolute path that ".." and the rest lead to from a directory
// without symbolic links. What comes after a name that is not known to be one
// is left as it is.
func above(real string, rest []string) string {
	up := path.Dir(real)
	for len(rest) > 0 && rest[0] == ".." {
		up, rest = path.Dir(up), rest[1:]
	}
	return path.Join("/", up) + "/" + strings.Join(rest, "/")
}

func joined(list []string) string {
	if len(list) == 0 {
		return "."
	}
	return strings.Join(list, "/")
}

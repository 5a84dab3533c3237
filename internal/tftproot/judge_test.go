package tftproot

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pxe-pilot/pxe-pilot"
)

// A naive judge tells what View should show, in the plainest way: it follows
// every link on the disk, component by component, with nothing but package os. It
// remembers nothing and shares no code with the package but the names of links.
type naive struct {
	*site
	trees []string          // without symbolic links
	owner map[string]string // of the path of every link: its host's name
	confs []string          // per loader: the directory of its configurations
	known map[string]bool   // of paths: whether they are configurations
}

func (s *site) naive() *naive {
	j := &naive{site: s, owner: map[string]string{}, known: map[string]bool{}}
	for _, p := range []string{s.opts.Path, s.opts.Directory} {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			j.trees = append(j.trees, real)
		}
	}
	for _, l := range s.loaders {
		j.confs = append(j.confs, place(l.directory))
	}
	for _, h := range s.inv.Hosts() {
		for _, n := range s.names(h) {
			j.owner[j.placeOf(n)] = h.Name
		}
	}
	return j
}

// place is a path without symbolic links, as far as it is there.
func place(p string) string {
	real, err := filepath.EvalSymlinks(p)
	if err != nil && p != "/" {
		return filepath.Join(place(filepath.Dir(p)), filepath.Base(p))
	}
	return real
}

// placeOf is the path of a link: that of its directory is resolved, its own is not.
func (j *naive) placeOf(name string) string {
	p := filepath.Join(j.path, name)
	return filepath.Join(place(filepath.Dir(p)), filepath.Base(p))
}

func (j *naive) inside(p string) bool {
	return slices.ContainsFunc(j.trees, func(tree string) bool { return within(tree, p) })
}

// hosts is View.Hosts without Through.
func (j *naive) hosts() []pxepilot.HostStatus {
	var all []pxepilot.HostStatus
	for _, h := range j.inv.Hosts() {
		st := pxepilot.HostStatus{Host: h}
		variants := map[string]func(string) bool{}
		for l, loader := range j.loaders {
			if !loader.Counts(h) {
				continue
			}
			variants[loader.Name] = func(c string) bool { return j.isConfiguration(l, c) }
			names, err := loader.Names(h)
			if err != nil {
				j.t.Fatal(err)
			}
			for n := range names {
				link := pxepilot.Link{Bootloader: loader.Name, MAC: names[n].MAC, Path: names[n].Path()}
				j.judge(&link, l, h.Name, names[0].Path())
				st.Links = append(st.Links, link)
			}
		}
		st.State, st.Configuration = fold(st.Links)
		st.Canonical = inShape(st.Links, variants)
		all = append(all, st)
	}
	return all
}

// judge fills in what the link shows.
func (j *naive) judge(l *pxepilot.Link, loader int, host, first string) {
	p := j.placeOf(l.Path)
	text, err := os.Readlink(p)
	switch {
	case errors.Is(err, os.ErrNotExist):
		l.State = pxepilot.None
		return
	case err != nil:
		l.State = pxepilot.Unmanaged
		if info, err := os.Stat(p); err == nil && info.IsDir() {
			l.Obstacle = "a directory"
		}
		return
	}
	l.Target = text
	passed, end, there := j.trace(p, loader)
	switch {
	case there && filepath.Dir(end) == j.confs[loader] && j.isConfiguration(loader, filepath.Base(end)):
		l.State, l.Configuration = pxepilot.Configured, filepath.Base(end)
	case !there && j.inside(end):
		l.State = pxepilot.Dangling
		passed = append(passed, end)
	default:
		l.State = pxepilot.Foreign
		passed = append(passed, end)
	}
	for _, via := range passed {
		if owner, owned := j.owner[via]; owned && owner != host {
			l.State = pxepilot.Entangled
		}
	}
	want := j.shape(l, loader, first)
	l.Canonical = l.State == pxepilot.Configured && text == want
}

// shape is the text that a deploy would give the link.
func (j *naive) shape(l *pxepilot.Link, loader int, first string) string {
	declared := filepath.Join(j.loaders[loader].directory, l.Configuration)
	target := filepath.Join(j.confs[loader], l.Configuration)
	if l.Path != first {
		declared, target = filepath.Join(j.opts.Path, first), j.placeOf(first)
	}
	if j.opts.Absolute {
		return declared
	}
	rel, err := filepath.Rel(filepath.Dir(j.placeOf(l.Path)), target)
	if err != nil {
		j.t.Fatal(err)
	}
	return rel
}

// trace follows a path as the kernel does: the links that it leads through, where
// it ends and whether anything is there. A configuration is an end, though it be
// a link itself.
func (j *naive) trace(p string, loader int) (passed []string, end string, there bool) {
	at, pending := "/", split(p)
	for links := 0; len(pending) > 0; {
		c := pending[0]
		pending = pending[1:]
		next := filepath.Join(at, c)
		info, err := os.Lstat(next)
		switch {
		case err != nil:
			for len(pending) > 0 && pending[0] != ".." {
				passed = append(passed, next)
				next, pending = filepath.Join(next, pending[0]), pending[1:]
			}
			return passed, next, false
		case info.IsDir():
			at = next
			continue
		case info.Mode()&os.ModeSymlink == 0 && len(pending) > 0:
			return passed, at, false
		case info.Mode()&os.ModeSymlink == 0:
			return passed, next, true
		case (len(pending) == 0 || len(pending) == 1 && pending[0] == "." && j.loaders[loader].Directory) && at == j.confs[loader] && j.isConfiguration(loader, c):
			return passed, next, true
		}
		if links++; links > 40 {
			return passed, j.trees[0], false
		}
		text, err := os.Readlink(next)
		if err != nil {
			j.t.Fatal(err)
		}
		if links > 1 {
			passed = append(passed, next)
		}
		if filepath.IsAbs(text) {
			at = "/"
		}
		pending = append(split(text), pending...)
	}
	return passed, at, true
}

// split keeps ".." and what a slash at the end asks for.
func split(p string) []string {
	list := slices.DeleteFunc(strings.Split(p, "/"), func(c string) bool { return c == "" })
	if strings.HasSuffix(p, "/") {
		list = append(list, ".")
	}
	return list
}

// isConfiguration judges by the kernel, and by the names that the tests use.
func (j *naive) isConfiguration(loader int, name string) bool {
	if name == "" || strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || name == "default" || strings.HasPrefix(name, "01-") {
		return false
	}
	p := filepath.Join(j.confs[loader], name)
	is, known := j.known[p]
	if !known {
		real, err := filepath.EvalSymlinks(p)
		if err == nil && j.inside(real) {
			info, err := os.Stat(p)
			is = err == nil && (info.IsDir() && j.loaders[loader].Directory || info.Mode().IsRegular() && !j.loaders[loader].Directory)
		}
		j.known[p] = is
	}
	return is
}

// configurations lists the names that any loader has a variant for.
func (j *naive) configurations() []string {
	var names []string
	for l, dir := range j.confs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			j.t.Fatal(err)
		}
		for _, e := range entries {
			if j.isConfiguration(l, e.Name()) && !slices.Contains(names, e.Name()) {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	return names
}

// fold makes a host's state out of its links'.
func fold(links []pxepilot.Link) (pxepilot.State, string) {
	has := map[pxepilot.State]bool{}
	to := map[string]bool{}
	configuration := ""
	for _, l := range links {
		has[l.State] = true
		if l.Configuration != "" {
			configuration = l.Configuration
			to[configuration] = true
		}
	}
	for _, worst := range []pxepilot.State{pxepilot.Entangled, pxepilot.Unmanaged, pxepilot.Foreign, pxepilot.Dangling} {
		if has[worst] {
			return worst, ""
		}
	}
	switch {
	case len(to) > 1:
		return pxepilot.Mixed, ""
	case len(to) == 0:
		return pxepilot.None, ""
	case has[pxepilot.None]:
		return pxepilot.Partial, ""
	}
	return pxepilot.Configured, configuration
}

// inShape says whether a repair would find nothing to do.
func inShape(links []pxepilot.Link, variants map[string]func(string) bool) bool {
	configuration := ""
	for _, l := range links {
		if l.State != pxepilot.None && !l.Canonical {
			return false
		}
		if l.Configuration != "" {
			configuration = l.Configuration
		}
	}
	for _, l := range links {
		if configuration != "" && l.State == pxepilot.None && variants[l.Bootloader](configuration) {
			return false
		}
	}
	return true
}

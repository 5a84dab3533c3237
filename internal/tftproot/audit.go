package tftproot

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Finding is something in the TFTP root that makes machines boot something
// else than what is meant, or may.
type Finding struct {
	Error   bool   // machines do not get what they should; else it is a warning
	Path    string // absolute
	Message string
}

// Audit looks for findings, without changing anything. Most of them end in the
// loader's default, silently.
func (r *Root) Audit(inv *pxepilot.Inventory) []Finding {
	a := &audit{root: r, entered: map[string]bool{}}
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.openAny()
	if err != nil {
		a.broken(err)
		return a.findings
	}
	defer s.close()
	a.session = s
	if !s.configured() {
		a.aboveRoot()
		a.fail(r.directory, "the configuration directory does not exist, so that no host's links were looked at; make it, or mount what it is on")
		return a.findings
	}
	snap, err := s.scan(inv, nil)
	if err != nil {
		a.broken(err)
		return a.findings
	}
	a.snap, a.explainer = snap, s.explainer(snap)
	a.aboveRoot()
	a.directories()
	a.loaders()
	a.configurations()
	a.hosts()
	a.strangers()
	return a.findings
}

type audit struct {
	root      *Root
	session   *session
	snap      *snapshot
	explainer *explainer
	entered   map[string]bool // directories that enter has looked at
	findings  []Finding
}

func (a *audit) add(isError bool, p, format string, args ...any) {
	a.findings = append(a.findings, Finding{isError, p, fmt.Sprintf(format, args...)})
}

func (a *audit) fail(p, format string, args ...any) { a.add(true, p, format, args...) }
func (a *audit) warn(p, format string, args ...any) { a.add(false, p, format, args...) }

// broken tells what cannot be looked at, by the path that its cause has.
func (a *audit) broken(err error) {
	var at *fs.PathError
	if errors.As(err, &at) {
		a.fail(at.Path, "%v", at.Err)
	} else {
		a.fail(a.root.path, "%s", pxepilot.ErrorMessage(err))
	}
}

// at is an absolute path of something below the root.
func (a *audit) at(p string) string { return filepath.Join(a.root.path, p) }

// where is the absolute path of a name in a directory of the session.
func (a *audit) where(d *dir, base string) string {
	return filepath.Join(a.session.trees[d.tree].path, d.path, base)
}

// Bits of a mode without which the user that a TFTP server runs as gets nothing:
// neither the owner nor in the group, as a rule.
const (
	othersRead  = 0o004
	othersEnter = 0o001
)

// aboveRoot looks at the root itself and at what leads to it.
func (a *audit) aboveRoot() {
	for _, t := range a.session.trees {
		a.enter(t.real)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(a.root.path, &st); err == nil && uint32(st.Type) == unix.NFS_SUPER_MAGIC {
		a.warn(a.root.path, "the TFTP root is on NFS, which has no lock for it: let one server alone change its links")
	}
	if a.root.absolute {
		a.warn(a.root.path, "links are absolute by the configuration file: a TFTP server in a chroot (tftpd-hpa --secure, Debian's default) does not find what they lead to")
	}
	if _, _, _, found, err := a.session.readPlan(); err != nil {
		a.fail(a.at(planName), "%v; changes are refused until then", plain(err))
	} else if found {
		a.warn(a.at(planName), "a change was cut off; the server resolves it when it starts, and before the next change")
	}
}

// enter looks at a directory, by its path without symbolic links, and at all above
// it, each once.
func (a *audit) enter(p string) {
	for ; !a.entered[p]; p = filepath.Dir(p) {
		a.entered[p] = true
		if info, err := os.Stat(p); err == nil && info.Mode().Perm()&othersEnter == 0 {
			a.warn(p, "mode %04o: the user of a TFTP server cannot enter it; chmod o+x", info.Mode().Perm())
		}
	}
}

// way looks at the directories that a path leads through.
func (a *audit) way(w walked) {
	real := func(at loc) string { return filepath.Join(a.session.trees[at.tree].real, at.path) }
	for _, link := range w.links {
		a.enter(filepath.Dir(real(link)))
	}
	if end := real(w.at); w.info != nil && w.info.IsDir() {
		a.enter(end)
	} else {
		a.enter(filepath.Dir(end))
	}
}

// directories looks at the ways to the directories of links and of configurations.
func (a *audit) directories() {
	for _, d := range a.root.linkDirs {
		w, _ := a.session.walk(loc{0, "."}, d)
		a.way(w)
	}
	for _, l := range a.root.loaders {
		at, rel, _ := a.session.mapAbsolute(l.directory)
		w, _ := a.session.walk(loc{at, "."}, rel)
		a.way(w)
	}
}

// loaders looks whether the loaders ask for the links of hosts at all.
func (a *audit) loaders() {
	for l := range a.root.loaders {
		trouble := a.explainer.trouble(l)
		if trouble == "" || !slices.ContainsFunc(a.snap.view.Inventory.Hosts(), a.root.loaders[l].Counts) {
			continue
		}
		where := a.root.loaders[l].Dirs()[0]
		if script := a.explainer.scripts[l]; script.Script != nil && script.Path != "" {
			where = script.Path
		}
		a.fail(a.at(where), "%s", trouble)
	}
}

// configurations looks at the directories of configurations and what is in them.
func (a *audit) configurations() {
	s := a.session
	for l := range a.root.loaders {
		loader := &a.root.loaders[l]
		d := s.confDir(l)
		if d.missing() {
			a.warn(loader.directory, "the directory does not exist, so that bootloader %s has no configurations", loader.Name)
			continue
		}
		entries, err := list(d)
		if err != nil {
			a.fail(loader.directory, "it cannot be listed: %v", plain(err))
			continue
		}
		sort.Slice(entries, func(i, j int) bool { return entries[i].name < entries[j].name })
		for _, e := range entries {
			switch {
			case a.snap.confs[l][e.name]:
				if e.kind == fs.ModeDir {
					a.enter(filepath.Join(s.trees[d.tree].real, d.path, e.name))
				} else if !loader.Directory {
					a.readable(loader, d, e.name)
				}
				if e.kind == fs.ModeSymlink {
					a.link(d, e.name)
				}
			case strings.HasPrefix(e.name, "."), !s.mayBeConfiguration(l, e.name) && pxepilot.CheckName(e.name) == nil:
				// Not meant to be a configuration.
			case pxepilot.CheckName(e.name) != nil:
				a.warn(loader.directory, "%v; it is no configuration", pxepilot.CheckName(e.name))
			case e.kind == fs.ModeSymlink:
				a.link(d, e.name)
			case e.kind == fs.ModeDir && s.holdsOthers(d, e.name):
				// Another loader's directory, or one of links.
			case e.kind == fs.ModeDir:
				a.warn(a.where(d, e.name), "a directory is no configuration of bootloader %s", loader.Name)
			case loader.Directory:
				a.warn(a.where(d, e.name), "a file is no configuration of bootloader %s, whose configurations are directories", loader.Name)
			default:
				a.warn(a.where(d, e.name), "neither a file nor a link: no configuration")
			}
		}
	}
}

// holdsOthers says whether a directory is, or leads to, another one that is in
// use.
func (s *session) holdsOthers(d *dir, name string) bool {
	p := path.Join(d.path, name)
	for _, o := range s.dirs {
		if o.tree == d.tree && within(p, o.path) {
			return true
		}
	}
	return false
}

// readable looks whether a TFTP server's user could read a file, and the loader
// use it.
func (a *audit) readable(loader *loader, d *dir, name string) {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd(), name, &st, 0); err != nil {
		return // a link's end is looked at as a link
	}
	if st.Size == 0 && loader.SkipsEmpty() {
		a.fail(a.where(d, name), "it is empty, which bootloader %s takes for a file that is not there: machines get the loader's default", loader.Name)
	}
	if st.Mode&othersRead == 0 {
		a.warn(a.where(d, name), "mode %04o: the user of a TFTP server cannot read it; chmod o+r", st.Mode&0o7777)
	}
}

// link looks at where a link leads: a TFTP server follows it by itself.
func (a *audit) link(d *dir, name string) {
	target, err := readlinkString(d, name)
	if err != nil {
		return
	}
	where := a.where(d, name)
	w, err := a.session.walk(d.loc, name)
	a.way(w)
	switch {
	case errors.Is(err, errLeaves):
		a.fail(where, "the link leaves the TFTP root (%s); a TFTP server in a chroot finds nothing there", pxepilot.Quote(target))
	case err != nil && !leadsNowhere(err):
		a.fail(where, "the link cannot be followed (%s): %v", pxepilot.Quote(target), plain(err))
	case err != nil:
		a.fail(where, "the link leads to nothing (%s): machines get the loader's default", pxepilot.Quote(target))
	case path.IsAbs(target) && !a.root.absolute:
		a.warn(where, "the link is absolute (%s); a TFTP server in a chroot (tftpd-hpa --secure, Debian's default) finds nothing there", pxepilot.Quote(target))
	}
}

// hosts looks at every host's links.
func (a *audit) hosts() {
	for i := range a.snap.view.Hosts {
		h := &a.snap.view.Hosts[i]
		host := pxepilot.Quote(h.Host.Name)
		n := 0
		for _, c := range a.snap.bound.hosts[i].chains {
			for _, name := range c.names {
				a.hostLink(host, &h.Links[n], name)
				n++
			}
		}
		switch {
		case h.State == pxepilot.Mixed:
			a.fail(a.root.path, "host %s: its links lead to different configurations; deploy the one that is meant", host)
		case h.State == pxepilot.Partial && !h.Canonical:
			a.fail(a.root.path, "host %s: some of its links are missing; 'pxe-pilot host repair' or a deploy makes them", host)
		case h.State == pxepilot.Partial:
			a.warn(a.root.path, "host %s: its configuration has no variant for some of its loaders, which get their default", host)
		case h.State == pxepilot.Configured && !h.Canonical:
			a.warn(a.root.path, "host %s: its links are not in the shape that switches as a whole; 'pxe-pilot host repair' mends that", host)
		}
	}
}

func (a *audit) hostLink(host string, l *pxepilot.Link, n name) {
	p := a.at(l.Path)
	switch l.State {
	case pxepilot.Unmanaged:
		a.fail(p, "host %s: not a link but %s, which is not touched", host, cmp.Or(l.Obstacle, "somebody else's file"))
		return
	case pxepilot.Foreign:
		a.fail(p, "host %s: the link leads to what is not a configuration of bootloader %s (%s)", host, l.Bootloader, pxepilot.Quote(l.Target))
	case pxepilot.Entangled:
		a.fail(p, "host %s: the link leads through another host's (%s), and so would be switched with it; 'pxe-pilot host repair' or a deploy detaches it", host, strings.Join(l.Through, ", "))
	}
	if l.Target != "" {
		a.link(a.session.dirs[n.dir], n.base)
	}
}

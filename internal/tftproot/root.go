// Package tftproot is the TFTP root: it lists and reads boot configurations,
// reads the links of hosts, and switches them.
//
// How its pieces meet: a session (session.go) is the root opened for one
// request, with the directories that matter resolved (walk.go) and held open. scan.go
// reads what is there and follows every link (follow.go); cache.go says when
// that need not be done again. plan.go turns moves into steps; apply.go carries
// steps out, all or nothing: prepare.go comes first, undo.go where it fails, and
// the plan is on disk meanwhile (planfile.go) so that a crash in between is
// resolved by recover.go. open.go gives files to machines (descent.go is the way to
// one). digest.go tells whether configurations change. audit.go looks for what would
// make machines boot something else than what is shown.
//
// Paths inside the package are below the root, separated by "/", "." for the
// root itself. The root is opened anew for every request, so that a root that
// was renamed away or replaced is noticed and never written to.
package tftproot

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// Options say where the root is and what it holds.
type Options struct {
	Path      string // absolute path of the TFTP root
	Directory string // absolute path of the configuration directory; outside Path only with Absolute
	// Bootloaders are the declared loaders. Each has its own sub-directory of
	// Directory. Where none is declared, Directory itself holds the
	// configurations of the default loader.
	Bootloaders []pxepilot.Bootloader
	Absolute    bool // link texts are absolute paths of this machine
	Logger      *slog.Logger
}

// Root is a TFTP root. It is safe for concurrent use.
type Root struct {
	path      string
	directory string // of the configurations, as declared
	absolute  bool
	loaders   []loader
	linkDirs  []string // of all loaders, each once, as declared
	log       *slog.Logger
	sys       sys
	now       func() time.Time
	lockWait  time.Duration
	maxPlan   int64

	changing  chan struct{} // holds one token: the right to change links within this process
	recovered bool          // what a crash left is resolved; belongs to whoever has that right
	warnLock  sync.Once

	mu    sync.Mutex // guards cache, and lets one request at a time scan
	cache *snapshot

	digesting sync.Mutex // guards digests
	digests   map[variantName]digest
}

// A loader is a bootloader with the directory of its configurations.
type loader struct {
	layout.Loader
	directory string // absolute path, as declared
}

// New checks the options; it does not touch the disk.
func New(o Options) (*Root, error) {
	r := &Root{
		path:      filepath.Clean(o.Path),
		directory: filepath.Clean(o.Directory),
		absolute:  o.Absolute,
		log:       o.Logger,
		sys:       kernel{},
		now:       time.Now,
		lockWait:  lockWait,
		maxPlan:   maxPlan,
		changing:  make(chan struct{}, 1),
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	declared := o.Bootloaders
	if len(declared) == 0 {
		declared = []pxepilot.Bootloader{{Name: layout.Default}}
	}
	for _, b := range declared {
		b.File, b.ConfigPath = inRoot(r.path, b.File), inRoot(r.path, b.ConfigPath)
		l, err := layout.Compile(b)
		if err != nil {
			return nil, err
		}
		dir := r.directory
		if len(o.Bootloaders) > 0 {
			dir = filepath.Join(dir, b.Name)
		}
		r.loaders = append(r.loaders, loader{l, dir})
		for _, d := range l.Dirs() {
			r.linkDirs = appendNew(r.linkDirs, d)
		}
	}
	return r, nil
}

func appendNew(list []string, s string) []string {
	for _, x := range list {
		if x == s {
			return list
		}
	}
	return append(list, s)
}

// Path is the absolute path of the root, as declared.
func (r *Root) Path() string { return r.path }

// View tells what is there for the hosts of an inventory. While nothing changed
// it returns the same pointer.
func (r *Root) View(ctx context.Context, inv *pxepilot.Inventory) (*pxepilot.View, error) {
	snap, err := r.see(ctx, inv)
	if err != nil {
		return nil, err
	}
	return snap.view, nil
}

// see returns the cached snapshot where it still holds, else a new one.
func (r *Root) see(ctx context.Context, inv *pxepilot.Inventory) (*snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := r.open()
	if err != nil {
		return nil, err
	}
	defer s.close()
	return r.seeIn(s, inv)
}

// seeIn is see in a session that is open; the caller holds r.mu.
func (r *Root) seeIn(s *session, inv *pxepilot.Inventory) (*snapshot, error) {
	if r.cache != nil && r.cache.holds(s, inv) {
		return r.cache, nil
	}
	snap, err := s.scan(inv, r.cache)
	if err != nil {
		return nil, err
	}
	r.cache = snap
	return snap, nil
}

// MaxContent is the largest configuration that is shown, in bytes.
const MaxContent = 1 << 20

// Read returns the variants of a configuration in declared order.
func (r *Root) Read(_ context.Context, name string) ([]pxepilot.Variant, error) {
	if err := pxepilot.CheckName(name); err != nil {
		return nil, pxepilot.Errorf(pxepilot.NotFound, "%v", err)
	}
	s, err := r.open()
	if err != nil {
		return nil, err
	}
	defer s.close()
	var variants []pxepilot.Variant
	for i, l := range r.loaders {
		d := s.confDir(i)
		if d == nil || d.missing() || !s.isConfiguration(i, name) {
			continue
		}
		content, err := s.content(d, name, l.Directory)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		variants = append(variants, pxepilot.Variant{Bootloader: l.Name, Content: content})
	}
	if len(variants) == 0 {
		return nil, pxepilot.Errorf(pxepilot.NotFound, "configuration %s not found", pxepilot.Quote(name))
	}
	return variants, nil
}

// content reads a configuration, or lists it where it is a directory.
func (s *session) content(d *dir, name string, directory bool) (string, error) {
	f, err := s.openTarget(d, name)
	if err != nil {
		if os.IsNotExist(err) {
			return "", err
		}
		return "", pxepilot.Errorf(pxepilot.Unprocessable, "configuration %s cannot be read: %v", pxepilot.Quote(name), plain(err)).Because(err)
	}
	defer f.Close()
	if directory {
		entries, err := f.ReadDir(-1)
		if err != nil {
			return "", pxepilot.Errorf(pxepilot.Unprocessable, "configuration %s cannot be listed: %v", pxepilot.Quote(name), plain(err)).Because(err)
		}
		return listing(entries), nil
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxContent+1))
	switch {
	case err != nil:
		return "", pxepilot.Errorf(pxepilot.Unprocessable, "configuration %s cannot be read: %v", pxepilot.Quote(name), plain(err)).Because(err)
	case len(data) > MaxContent:
		return "", pxepilot.Errorf(pxepilot.Unprocessable, "configuration %s is larger than %d KiB and is not shown", pxepilot.Quote(name), MaxContent>>10)
	case !utf8.Valid(data):
		return "", pxepilot.Errorf(pxepilot.Unprocessable, "configuration %s is not UTF-8 text and is not shown", pxepilot.Quote(name))
	}
	return string(data), nil
}

// listing is what a configuration that is a directory is shown as: the names of
// its entries, one a line, directories with a slash.
func listing(entries []os.DirEntry) string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strconv.QuoteToGraphic(e.Name())
		if plain := e.Name(); pxepilot.CheckName(plain) == nil {
			names[i] = plain
		}
		if e.IsDir() {
			names[i] += "/"
		}
	}
	sort.Strings(names)
	return strings.Join(append(names, ""), "\n")
}

// confText is the text that a deploy gives to a link in directory d that leads
// to a configuration of loader l.
func (s *session) confText(l int, d *dir, configuration string) string {
	if s.root.absolute {
		return path.Join(s.root.loaders[l].directory, configuration)
	}
	return layout.Relative(d.path, path.Join(s.confDir(l).path, configuration))
}

// firstText is the text of a link in directory d that leads to a host's first
// link.
func (s *session) firstText(d *dir, first *name) string {
	if s.root.absolute {
		return path.Join(s.root.path, first.path)
	}
	return layout.Relative(d.path, path.Join(s.dirs[first.dir].path, first.base))
}

// textTo is the text of a link in directory at that leads straight to a place.
func (s *session) textTo(at int, to loc) string {
	if d := s.dirs[at]; !s.root.absolute && d.tree == to.tree {
		return layout.Relative(d.path, to.path)
	}
	return path.Join(s.trees[to.tree].real, to.path)
}

// locOf is the place of a name.
func (s *session) locOf(at spot) loc {
	d := s.dirs[at.dir]
	return loc{d.tree, path.Join(d.path, at.base)}
}

// plain strips the operation and path from an error: they are internals, or
// said already.
func plain(err error) error {
	for {
		switch e := err.(type) {
		case *os.PathError:
			err = e.Err
		case *os.LinkError:
			err = e.Err
		case *os.SyscallError:
			err = e.Err
		case interface{ Unwrap() []error }:
			err = e.Unwrap()[0]
		default:
			return err
		}
	}
}

// broken makes the error for a root, or something in it, that cannot be used. Its
// message is for everybody, and so says what that is and not where this machine
// has it; its cause, for the log, has the path.
func broken(what, path string, err error) error {
	err = plain(err)
	return pxepilot.Errorf(pxepilot.Unavailable, "%s: %v", what, err).Because(&fs.PathError{Op: "open", Path: path, Err: err})
}

// What errors call the root and the directories in it.
const (
	theRoot           = "the TFTP root"
	theConfigurations = "the configuration directory"
)

// called is what errors call a directory of a session.
func called(at loc) string {
	switch {
	case at.tree != 0 && at.path == ".":
		return theConfigurations
	case at.tree != 0:
		return "directory " + at.path + " of " + theConfigurations
	case at.path == ".":
		return theRoot
	}
	return "directory " + at.path
}

// theirDirectory is what errors call the directory of a loader's configurations.
func (r *Root) theirDirectory(l loader) string {
	if l.directory == r.directory {
		return theConfigurations
	}
	return theConfigurations + " of bootloader " + l.Name
}

// onDiskReally is the path of a directory of the session without symbolic links.
func (s *session) onDiskReally(at int) string {
	return filepath.Join(s.trees[s.dirs[at].tree].real, s.dirs[at].path)
}

// onDisk is the path of a place on this machine.
func (s *session) onDisk(at loc) string { return filepath.Join(s.trees[at.tree].path, at.path) }

// inRoot is a path as it is below the root, where it is told from above: DHCP says it
// so for a TFTP server that is not locked into the root.
func inRoot(root, p string) string {
	if rest, ok := strings.CutPrefix(path.Clean(p), path.Clean(root)); ok && p != "" && (rest == "" || rest[0] == '/') && root != "/" {
		return "/" + strings.TrimPrefix(rest, "/")
	}
	return p
}

package tftproot

import (
	"context"
	"flag"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// tb is what tests, benchmarks, fuzzing and properties have in common.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

// A site is a TFTP root in a temporary directory.
type site struct {
	*Root
	t    tb
	path string
	opts Options
	inv  *pxepilot.Inventory
}

// newSite makes a root with configurations and hosts. A host is its name and its
// MAC addresses, with "serial:", "uuid:", "ip:" and "on:" (a bootloader) among them.
func newSite(t testing.TB, o Options, configurations []string, hosts ...string) *site {
	t.Helper()
	if o.Path == "" {
		o.Path = t.TempDir()
	}
	return siteAt(t, o, configurations, hosts...)
}

// siteAt is newSite where the path is given.
func siteAt(t tb, o Options, configurations []string, hosts ...string) *site {
	t.Helper()
	if o.Directory == "" {
		o.Directory = filepath.Join(o.Path, "pxelinux.cfg/conf")
	}
	s := &site{t: t, path: o.Path, opts: o, inv: inventory(t, hosts...)}
	s.Root = s.fresh()
	for _, c := range configurations {
		for l := range s.loaders {
			s.configuration(l, c)
		}
	}
	return s
}

// configuration makes a configuration of a loader. Its text names both.
func (s *site) configuration(l int, name string) {
	s.t.Helper()
	p := filepath.Join(s.loaders[l].directory, name)
	if s.loaders[l].Directory {
		p = filepath.Join(p, "id")
	}
	writeFile(s.t, p, "LABEL "+s.loaders[l].Name+" "+name+"\n")
}

// fresh is another Root of the same site, as another process would have it.
func (s *site) fresh() *Root {
	s.t.Helper()
	r, err := New(s.opts)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func inventory(t tb, hosts ...string) *pxepilot.Inventory {
	t.Helper()
	var list []*pxepilot.Host
	for _, h := range hosts {
		f := strings.Fields(h)
		host := &pxepilot.Host{Name: f[0]}
		for _, m := range f[1:] {
			if serial, ok := strings.CutPrefix(m, "serial:"); ok {
				host.Serial = serial
				continue
			}
			if uuid, ok := strings.CutPrefix(m, "uuid:"); ok {
				var err error
				if host.UUID, err = pxepilot.ParseUUID(uuid); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if ip, ok := strings.CutPrefix(m, "ip:"); ok {
				host.IP = netip.MustParseAddr(ip)
				continue
			}
			if loader, ok := strings.CutPrefix(m, "on:"); ok {
				host.Bootloaders = append(host.Bootloaders, loader)
				continue
			}
			mac, err := pxepilot.ParseMAC(m)
			if err != nil {
				t.Fatal(err)
			}
			host.MACs = append(host.MACs, mac)
		}
		list = append(list, host)
	}
	inv, err := pxepilot.NewInventory(list)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func writeFile(t tb, p, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *site) write(name, content string) {
	s.t.Helper()
	writeFile(s.t, filepath.Join(s.path, name), content)
}

// symlink does what a person's "ln -sfn" does.
func (s *site) symlink(text, name string) {
	s.t.Helper()
	if err := relink(text, filepath.Join(s.path, name)); err != nil {
		s.t.Fatal(err)
	}
}

func relink(text, p string) error {
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(text, p+".ln"); err != nil {
		return err
	}
	return os.Rename(p+".ln", p)
}

// tree lists what is in the root: links with their texts, files with "-",
// directories, where they are empty, with "/".
func (s *site) tree() map[string]string { return treeOf(s.t, s.path) }

func treeOf(t tb, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	root = place(root)
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			found[rel], err = os.Readlink(p)
		case !d.IsDir():
			found[rel] = "-"
		default:
			if entries, _ := os.ReadDir(p); len(entries) == 0 {
				found[rel] = "/"
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// links is tree without files, and without the link directory's name.
func (s *site) links() map[string]string {
	links := map[string]string{}
	for p, text := range s.tree() {
		if text != "-" && text != "/" {
			links[strings.TrimPrefix(p, "pxelinux.cfg/")] = text
		}
	}
	return links
}

// leftovers lists the temporary names, and the plan, that are there.
func (s *site) leftovers() []string {
	var left []string
	for p := range s.tree() {
		if strings.HasPrefix(filepath.Base(p), layout.TempPrefix) {
			left = append(left, p)
		}
	}
	slices.Sort(left)
	return left
}

// names lists the links of a host below the root, loader by loader.
func (s *site) names(h *pxepilot.Host) (paths []string) {
	for _, l := range s.loaders {
		if !l.Counts(h) {
			continue
		}
		names, err := l.Names(h)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, n := range names {
			paths = append(paths, n.Path())
		}
	}
	return paths
}

// fetch is what a TFTP server gives for a name: the content of what the kernel
// finds there, or empty.
func (s *site) fetch(name string) string {
	p := filepath.Join(s.path, name)
	data, err := os.ReadFile(p)
	if err != nil {
		data, _ = os.ReadFile(filepath.Join(p, "id"))
	}
	return string(data)
}

// fetchAll is fetch for the links of all hosts.
func (s *site) fetchAll() map[string]string {
	all := map[string]string{}
	for _, h := range s.inv.Hosts() {
		for _, n := range s.names(h) {
			all[n] = s.fetch(n)
		}
	}
	return all
}

func (s *site) host(name string) *pxepilot.Host {
	h := s.inv.ByName(name)
	if h == nil {
		s.t.Fatalf("no host %s", name)
	}
	return h
}

func (s *site) change(want pxepilot.Want, configuration string, hosts ...string) error {
	_, err := s.Change(context.Background(), s.inv, false, func(*pxepilot.View) ([]pxepilot.Move, error) {
		return s.moves(want, configuration, hosts...), nil
	})
	return err
}

func (s *site) moves(want pxepilot.Want, configuration string, hosts ...string) []pxepilot.Move {
	var moves []pxepilot.Move
	for _, h := range hosts {
		moves = append(moves, pxepilot.Move{Host: s.host(h), Want: want, Configuration: configuration})
	}
	return moves
}

func (s *site) deploy(configuration string, hosts ...string) {
	s.t.Helper()
	if err := s.change(pxepilot.Deploy, configuration, hosts...); err != nil {
		s.t.Fatalf("deploy %s %v: %v", configuration, hosts, err)
	}
}

func (s *site) clear(hosts ...string) {
	s.t.Helper()
	if err := s.change(pxepilot.Clear, "", hosts...); err != nil {
		s.t.Fatalf("clear %v: %v", hosts, err)
	}
}

func (s *site) recover() {
	s.t.Helper()
	if err := s.fresh().Recover(context.Background()); err != nil {
		s.t.Fatalf("recover: %v", err)
	}
}

func (s *site) view() *pxepilot.View {
	s.t.Helper()
	v, err := s.View(context.Background(), s.inv)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// settle waits until a View is kept: stamps must be old enough for it.
func (s *site) settle() {
	s.t.Helper()
	for v := s.view(); ; {
		w := s.view()
		if w == v {
			return
		}
		v = w
	}
}

// states is each host's configuration, or state in parentheses, with a "*" where
// a repair has something to do.
func (s *site) states() string {
	s.t.Helper()
	var list []string
	for _, h := range s.view().Hosts {
		is := h.Configuration
		if h.State != pxepilot.Configured {
			is = "(" + string(h.State) + ")"
		}
		if !h.Canonical {
			is += "*"
		}
		list = append(list, h.Host.Name+"="+is)
	}
	return strings.Join(list, " ")
}

// checks sets how often a property is tried, unless a flag says so.
func checks(t *testing.T, normal, soak int) {
	f := flag.Lookup("rapid.checks")
	if f.Value.String() != f.DefValue {
		return
	}
	n := normal
	if testenv.Soak() {
		n = soak
	}
	if err := flag.Set(f.Name, strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set(f.Name, f.DefValue) })
}

// fastDir is a directory in memory, where the machine has one: a test that makes
// thousands of roots has no use for a disk.
func fastDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "pxe-pilot-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func diff(t tb, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

const (
	mac1, mac2, mac3, mac33 = "00:00:00:00:00:01", "00:00:00:00:00:02", "00:00:00:00:00:03", "00:00:00:00:00:33"
	lnk1, lnk2, lnk3, lnk33 = "01-00-00-00-00-00-01", "01-00-00-00-00-00-02", "01-00-00-00-00-00-03", "01-00-00-00-00-00-33"
)

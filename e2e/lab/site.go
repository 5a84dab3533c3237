package lab

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/client"
)

// A Site is a TFTP root with boot configurations, and a configuration file of
// ours that describes it.
type Site struct {
	File  string // the configuration file
	Root  string // the TFTP root
	Conf  string // the directory of the boot configurations, in it
	Links string // the directory of the links of PXELINUX, in it
	State string // the directory of what outlives a server

	Loaders string // the value of configuration.bootloaders, in YAML; empty for none
	listen  string // lines that say where a server of ours listens
}

// NewSite makes a site of its own without hosts and boot configurations.
func NewSite(t testing.TB) *Site {
	t.Helper()
	dir := Dir(t)
	return SiteAt(t, filepath.Join(dir, "pxe-pilot.yml"), filepath.Join(dir, "tftp"))
}

// SiteAt is NewSite at given places.
func SiteAt(t testing.TB, file, root string) *Site {
	t.Helper()
	s := &Site{File: file, Root: root, Links: filepath.Join(root, "pxelinux.cfg"), Conf: filepath.Join(root, "pxelinux.cfg", "conf"),
		State: filepath.Join(filepath.Dir(file), "state"), listen: "  address: 127.0.0.1\n  port: 0\n"}
	MakeDir(t, s.Conf)
	return s
}

// Configure writes a boot configuration.
func (s *Site) Configure(t testing.TB, name, content string) {
	t.Helper()
	Write(t, filepath.Join(s.Conf, name), content)
}

// Describe writes the configuration file, by rename, as editors do.
func (s *Site) Describe(t testing.TB, text string) {
	t.Helper()
	Write(t, s.File+".new", text)
	if err := os.Rename(s.File+".new", s.File); err != nil {
		t.Fatal(err)
	}
}

// Text is a configuration file with hosts, and a server on any free port unless
// the site says where.
func (s *Site) Text(hosts ...Host) string {
	var b strings.Builder
	b.WriteString("---\nhosts:\n")
	for _, h := range hosts {
		more := ""
		for _, keys := range []string{h.Power, h.Facts} {
			if keys != "" {
				more += ", " + keys
			}
		}
		fmt.Fprintf(&b, "  - {name: %q, mac_addresses: [\"%s\"]%s}\n", h.Name, strings.Join(h.MACs, `", "`), more)
	}
	if len(hosts) == 0 {
		b.WriteString("  []\n")
	}
	fmt.Fprintf(&b, "tftp:\n  root: %q\nconfiguration:\n  directory: %q\n", s.Root, s.Conf)
	if s.Loaders != "" {
		b.WriteString("  bootloaders: " + s.Loaders + "\n")
	}
	b.WriteString("server:\n" + s.listen)
	return b.String()
}

// Link is the path of the link of a MAC address, for PXELINUX.
func (s *Site) Link(mac string) string { return filepath.Join(s.Root, Name(mac)) }

// Name is what PXELINUX asks a TFTP server for.
func Name(mac string) string { return "pxelinux.cfg/01-" + strings.ReplaceAll(mac, ":", "-") }

// A Host is a host of a site.
type Host struct {
	Name  string
	MACs  []string
	Power string // what drives its power: a key of YAML and its value
	Facts string // what else is known of it: keys of YAML and their values
}

// Hosts makes hosts with some network cards each, whose addresses end with the
// number of the host.
func Hosts(n, cards int) []Host {
	hosts := make([]Host, n)
	for i := range hosts {
		hosts[i].Name = fmt.Sprintf("h%d", i+1)
		for c := range cards {
			hosts[i].MACs = append(hosts[i].MACs, fmt.Sprintf("52:54:00:%02x:%02x:%02x", c, (i+1)>>8, (i+1)&0xff))
		}
	}
	return hosts
}

// A Server is a pxe-pilot that serves a site.
type Server struct {
	*Process
	URL    string
	Client *client.Client
}

// Serve starts a server on the site and waits until it answers.
func (s *Site) Serve(t testing.TB) *Server {
	t.Helper()
	return Serving(t, StartCommand(t, s.Command(t)))
}

// Command is a server on the site, to be started.
func (s *Site) Command(t testing.TB, options ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), Program(), append([]string{"server", "-c", s.File}, options...)...)
	cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+s.State)
	return cmd
}

// Serving waits until a server that was started answers.
func Serving(t testing.TB, p *Process) *Server {
	t.Helper()
	_, url, _ := strings.Cut(p.Wait(t, "msg=serving"), " url=")
	url, _, _ = strings.Cut(url, " ")
	c, err := client.New(url)
	if err != nil {
		t.Fatal(err)
	}
	return &Server{p, url, c}
}

// Stop tells the server to stop, as systemd does, and waits until it did.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.Signal(t, syscall.SIGTERM)
	if status := s.Exit(t); status != 0 {
		t.Errorf("after SIGTERM the server ended with status %d", status)
	}
}

// Tree tells everything below a directory: by path, the mode of each thing, the
// text of each link, and for files a sum of the content. What was replaced by its
// like is told apart as well, by the number of its inode.
func Tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%v %d", info.Mode(), info.Sys().(*syscall.Stat_t).Ino)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			text, err := os.Readlink(path)
			if err != nil {
				return err
			}
			what += " -> " + text
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what += fmt.Sprintf(" %x", sha256.Sum256(data))
		}
		rel, err := filepath.Rel(dir, path)
		tree[rel] = what
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// Leftovers lists the temporary names and plans below a root, of which there are
// none while no change is under way.
func Leftovers(t testing.TB, root string) []string {
	t.Helper()
	var found []string
	for path := range Tree(t, root) {
		if strings.HasPrefix(filepath.Base(path), ".pxe-pilot.") {
			found = append(found, path)
		}
	}
	return found
}

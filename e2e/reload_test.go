package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

const (
	reloaded    = "the configuration file was reloaded"
	notReloaded = "the configuration file was not reloaded"
)

func hostNames(t *testing.T, s *lab.Server) []string {
	t.Helper()
	hosts, err := s.Client.Hosts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, h := range hosts {
		names = append(names, h.Name)
	}
	return names
}

func health(t *testing.T, s *lab.Server) apiv1.Health {
	t.Helper()
	h, err := s.Client.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return *h
}

// A change of the file is noticed however it is made. No reload changes a link,
// and a broken file changes nothing.
func TestReload(t *testing.T) {
	dir := lab.Dir(t)
	inPlace := func(t *testing.T, file, text string) { lab.Write(t, file, text) }
	byRename := func(t *testing.T, file, text string) {
		lab.Write(t, file+"~", text)
		if err := os.Rename(file+"~", file); err != nil {
			t.Fatal(err)
		}
	}
	// As Kubernetes does: the file is a link through a link to a directory, and
	// that one is replaced.
	behindLink := func(t *testing.T, file, text string) {
		dir := filepath.Dir(file)
		data, err := os.MkdirTemp(dir, "data-")
		if err != nil {
			t.Fatal(err)
		}
		lab.Write(t, filepath.Join(data, filepath.Base(file)), text)
		lab.Link(t, filepath.Base(data), filepath.Join(dir, "now.new"))
		if err := os.Rename(filepath.Join(dir, "now.new"), filepath.Join(dir, "now")); err != nil {
			t.Fatal(err)
		}
		if !lab.Exists(file) {
			lab.Link(t, filepath.Join("now", filepath.Base(file)), file)
		}
	}
	for name, write := range map[string]func(t *testing.T, file, text string){
		"in place": inPlace, "by rename": byRename, "behind a link": behindLink,
	} {
		t.Run(name, func(t *testing.T) {
			site := lab.SiteAt(t, filepath.Join(dir, name, "pxe-pilot.yml"), filepath.Join(dir, name+" tftp"))
			site.Configure(t, "local", contents["local"])
			hosts := lab.Hosts(3, 2)
			lab.MakeDir(t, filepath.Dir(site.File))
			write(t, site.File, site.Text(hosts[:2]...))
			server := site.Serve(t)
			deploy(t, server, "local", hosts[:2]...)
			links := lab.Tree(t, site.Root)

			mark := server.Mark()
			write(t, site.File, site.Text(hosts[1:]...))
			server.WaitAfter(t, mark, reloaded)
			if diff := cmp.Diff([]string{"h2", "h3"}, hostNames(t, server)); diff != "" {
				t.Errorf("hosts after the change:\n%s", diff)
			}

			mark = server.Mark()
			write(t, site.File, strings.Replace(site.Text(hosts...), "mac_addresses", "mac_adresses", 1))
			// Written in place, the file may be seen half written first.
			line := server.WaitAfter(t, mark, "did you mean mac_addresses?")
			if !strings.Contains(line, "level=ERROR") || !strings.Contains(line, notReloaded) {
				t.Errorf("the log says: %s", line)
			}
			told := health(t, server)
			if told.Status != "degraded" || !strings.HasPrefix(told.Reload, site.File+":3:") || !strings.Contains(told.Reload, "did you mean mac_addresses?") {
				t.Errorf("with a broken file the health is %+v", told)
			}
			if diff := cmp.Diff([]string{"h2", "h3"}, hostNames(t, server)); diff != "" {
				t.Errorf("hosts while the file is broken:\n%s", diff)
			}
			deploy(t, server, "local", hosts[1]) // and it goes on working

			mark = server.Mark()
			write(t, site.File, site.Text(hosts...))
			server.WaitAfter(t, mark, reloaded)
			if diff := cmp.Diff(apiv1.Health{Status: "ok"}, health(t, server)); diff != "" {
				t.Errorf("health after mending:\n%s", diff)
			}
			if diff := cmp.Diff([]string{"h1", "h2", "h3"}, hostNames(t, server)); diff != "" {
				t.Errorf("hosts after mending:\n%s", diff)
			}
			if diff := cmp.Diff(links, lab.Tree(t, site.Root)); diff != "" {
				t.Errorf("reloads changed the TFTP root:\n%s", diff)
			}
		})
	}
}

func TestReloadOnHangup(t *testing.T) {
	site := newSite(t, lab.Hosts(1, 1)...)
	server := site.Serve(t)
	mark := server.Mark()
	server.Signal(t, syscall.SIGHUP)
	server.WaitAfter(t, mark, reloaded)
	server.Stop(t)
}

// Hosts come and go with the files of hosts_directory, the directory included.
func TestReloadOfHostsDirectory(t *testing.T) {
	site := newSite(t, lab.Hosts(1, 1)...)
	more := filepath.Join(filepath.Dir(site.File), "hosts.d")
	lab.Write(t, filepath.Join(more, "lab.yml"), "hosts:\n  - {name: lab1, mac_addresses: [\"52:54:00:ff:00:01\"]}\n")
	site.Describe(t, site.Text(lab.Hosts(1, 1)...)+"hosts_directory: hosts.d\n")
	server := site.Serve(t)
	lab.Write(t, filepath.Join(more, "more.yml"), "hosts:\n  - {name: lab2, mac_addresses: [\"52:54:00:ff:00:02\"]}\n")
	lab.Until(t, "lab2 is known", func() bool { return strings.Join(hostNames(t, server), " ") == "h1 lab1 lab2" })
	if err := os.Remove(filepath.Join(more, "lab.yml")); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, "lab1 is not known any more", func() bool { return strings.Join(hostNames(t, server), " ") == "h1 lab2" })
	if err := os.Rename(more, more+".away"); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, "the health tells of the directory", func() bool { return strings.Contains(health(t, server).Reload, "hosts.d") })
	if err := os.Rename(more+".away", more); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, "all is well again", func() bool { return health(t, server).Status == "ok" })
}

// What the open socket does not follow is said.
func TestReloadOfThePort(t *testing.T) {
	site := newSite(t, lab.Hosts(1, 1)...)
	server := site.Serve(t)
	mark := server.Mark()
	site.Describe(t, strings.Replace(site.Text(lab.Hosts(1, 1)...), "port: 0", "port: 3479", 1))
	server.WaitAfter(t, mark, reloaded)
	if line := server.WaitAfter(t, mark, "server.port was changed"); !strings.Contains(line, "level=WARN") || !strings.Contains(line, "restarted") {
		t.Errorf("the log says: %s", line)
	}
	if got := health(t, server); got.Status != "ok" {
		t.Errorf("health: %+v", got)
	}
	mark = server.Mark()
	site.Describe(t, site.Text(lab.Hosts(2, 1)...))
	server.WaitAfter(t, mark, reloaded)
	if said := server.Said()[mark:]; strings.Contains(said, "server.port") {
		t.Errorf("the port is back, but the log says:\n%s", said)
	}
}

// A server does not start on a broken file: it tells all that is wrong with it.
func TestStartOnBrokenFile(t *testing.T) {
	site := newSite(t)
	lab.Write(t, site.File, "---\nhosts:\n  - {name: h1, mac_addresses: [\"1\"]}\ntftp:\n  rooot: /srv\nserver: {port: 99999}\n")
	_, stderr, status := lab.Output(t, lab.Program(), "server", "-c", site.File)
	if status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	for _, want := range []string{":3:", "rooot", "did you mean root?", "99999", "configuration"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not tell %q:\n%s", want, stderr)
		}
	}
}

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// Trouble with the TFTP root while the server runs gets the right code and one
// clear line; nothing changes, machines go on booting where they can; and all is
// well again when the trouble is over, without anybody's help.
func TestTroubleWithTheRoot(t *testing.T) {
	move := func(t *testing.T, from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name    string
		options string                                          // of the file system that the root is on
		begin   func(t *testing.T, site *lab.Site) (end func()) //
		hidden  bool                                            // the root cannot be seen meanwhile
		status  int                                             // of a deploy
		says    string                                          // that deploy
	}{
		{name: "read-only", status: 503, says: "read-only file system",
			begin: func(t *testing.T, site *lab.Site) func() {
				fs := filepath.Dir(site.Root)
				lab.ReadOnly(t, fs, true)
				return func() { lab.ReadOnly(t, fs, false) }
			}},
		{name: "no space", options: "size=256k", status: 503, says: "no space left on device",
			begin: func(t *testing.T, site *lab.Site) func() { return lab.Fill(t, filepath.Dir(site.Root), true) }},
		{name: "no inodes", options: "nr_inodes=40", status: 503, says: "no space left on device",
			begin: func(t *testing.T, site *lab.Site) func() { return lab.Fill(t, filepath.Dir(site.Root), false) }},
		{name: "renamed away", hidden: true, status: 503, says: "no such file or directory",
			begin: func(t *testing.T, site *lab.Site) func() {
				move(t, site.Root, site.Root+".away")
				return func() { move(t, site.Root+".away", site.Root) }
			}},
		{name: "a file in its place", hidden: true, status: 503, says: "not a directory",
			begin: func(t *testing.T, site *lab.Site) func() {
				move(t, site.Root, site.Root+".away")
				lab.Write(t, site.Root, "")
				return func() {
					if err := os.Remove(site.Root); err != nil {
						t.Fatal(err)
					}
					move(t, site.Root+".away", site.Root)
				}
			}},
		{name: "configurations renamed away", hidden: true, status: 503, says: "the configuration directory: no such file or directory",
			begin: func(t *testing.T, site *lab.Site) func() {
				move(t, site.Conf, site.Conf+".away")
				return func() { move(t, site.Conf+".away", site.Conf) }
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hosts := lab.Hosts(4, 2)
			fs := filepath.Join(lab.Dir(t), "fs")
			lab.Mount(t, "tmpfs", fs, strings.TrimPrefix("mode=755,"+tt.options, ","))
			site := describe(t, lab.SiteAt(t, filepath.Join(lab.Dir(t), "pxe-pilot.yml"), filepath.Join(fs, "tftp")), hosts...)
			server := site.Serve(t)
			deploy(t, server, "local", hosts[:2]...)
			tree := filepath.Dir(site.Root) // whatever its name is meanwhile

			end := tt.begin(t, site)
			before := lab.Tree(t, tree)
			const body = `{"hosts":[{"name":"h1"},{"name":"h2"},{"name":"h3"}]}`
			got := ask(t, "PUT", server.URL+"/v1/configurations/install/deploy", body)
			if says := got.message(t); got.status != tt.status || !strings.Contains(says, tt.says) {
				t.Errorf("a deploy: status %d: %s", got.status, says)
			}
			list, told := ask(t, "GET", server.URL+"/v1/hosts", ""), ask(t, "GET", server.URL+"/v1/healthcheck", "")
			switch {
			case !tt.hidden:
				if list.status != 200 || told.status != 204 {
					t.Errorf("a list: status %d, the health check: %d", list.status, told.status)
				}
			case tt.status == 503:
				if list.status != 503 || told.status != 503 || list.header.Get("Retry-After") == "" {
					t.Errorf("a list: status %d, the health check: %d", list.status, told.status)
				}
				list.message(t)
				told.message(t)
				if h := health(t, server); h.Status != "failing" || !strings.Contains(h.Root, tt.says) {
					t.Errorf("health: %+v", h)
				}
			}
			if diff := cmp.Diff(before, lab.Tree(t, tree)); diff != "" {
				t.Errorf("something changed:\n%s", diff)
			}

			end()
			if got := ask(t, "PUT", server.URL+"/v1/configurations/install/deploy", body); got.status != http.StatusNoContent {
				t.Errorf("a deploy when the trouble is over: status %d: %s", got.status, got.body)
			}
			if all := allBoot(t, site, hosts[:3]); all != "install" {
				t.Errorf("then the hosts boot %q", all)
			}
			if h := health(t, server); h.Status != "ok" {
				t.Errorf("health when the trouble is over: %+v", h)
			}
			if found := lab.Leftovers(t, site.Root); len(found) > 0 {
				t.Errorf("left over: %q", found)
			}
		})
	}
}

// Another root in place of the one that the server was started with is the root
// from then on; the old one is not written to.
func TestRootReplaced(t *testing.T) {
	host := lab.Hosts(1, 2)[0]
	site := newSite(t, host)
	server := site.Serve(t)
	deploy(t, server, "local", host)
	if err := os.Rename(site.Root, site.Root+".old"); err != nil {
		t.Fatal(err)
	}
	old := lab.Tree(t, site.Root+".old")
	lab.MakeDir(t, site.Conf)
	describe(t, site, host)
	deploy(t, server, "install", host)
	if got, err := boot(site, host); err != nil || got != "install" {
		t.Errorf("the host boots %q (%v)", got, err)
	}
	if diff := cmp.Diff(old, lab.Tree(t, site.Root+".old")); diff != "" {
		t.Errorf("the old root changed:\n%s", diff)
	}
}

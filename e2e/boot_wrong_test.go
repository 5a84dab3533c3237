package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// What makes a machine boot something else than was deployed, silently. "host
// explain" and "check" name it beforehand, and the machine then does just that.
func TestBootOtherwise(t *testing.T) {
	t.Parallel()
	const uuid, asked = "11223344-5566-7788-99aa-bbccddeeff00", "44332211-6655-8877-99aa-bbccddeeff00"
	for _, tt := range []struct {
		name     string
		spoil    func(t *testing.T, site *lab.BootSite, link string)
		status   int    // of "host explain", which does not know the server
		explains string // a part of what that says
		checks   string // a part of what "check" says of the link, or of the file
		boots    string
	}{
		{
			"absolute link under a chroot",
			func(t *testing.T, site *lab.BootSite, link string) { relink(t, filepath.Join(site.Conf, "A"), link) },
			0, "locked into the root", "the link is absolute (", "default",
		},
		{
			"dangling link",
			func(t *testing.T, site *lab.BootSite, _ string) {
				if err := os.Remove(filepath.Join(site.Conf, "A")); err != nil {
					t.Fatal(err)
				}
			},
			1, "leads to nothing", "the link leads to nothing", "default",
		},
		{
			"name in upper case",
			func(t *testing.T, _ *lab.BootSite, link string) {
				if err := os.Rename(link, filepath.Join(filepath.Dir(link), strings.ToUpper(filepath.Base(link)))); err != nil {
					t.Fatal(err)
				}
			},
			1, "upper case", "the name is in upper case", "default",
		},
		{
			"file of the UUID in front",
			func(t *testing.T, site *lab.BootSite, _ string) {
				lab.Write(t, filepath.Join(site.Links, asked), syslinuxBoots("uuid"))
			},
			1, asked, "pxelinux.cfg/" + asked + ": ", "uuid",
		},
		{
			"file that only its owner may read",
			func(t *testing.T, site *lab.BootSite, _ string) {
				if err := os.Chmod(filepath.Join(site.Conf, "A"), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			1, "0600", "mode 0600", "default",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			site := lab.NewBootSite(t, lab.TftpdSecure, "dhcp-boot=pxelinux.0")
			site.Put(t, ".", pxelinux...)
			configureBoots(t, site, "", syslinuxBoots, "pxelinux.cfg/default")
			m := site.Machine(t, "h1", lab.BIOS, lab.UUID(uuid), lab.Facts("uuid: "+uuid))
			server := site.Serve(t)
			deploy(t, server, "A", m.Host)
			tt.spoil(t, site, site.Link(m.MACs[0]))
			explained, _, status := lab.Output(t, lab.Program(), "-s", server.URL, "host", "explain", m.Name)
			if status != tt.status || !strings.Contains(explained, tt.explains) {
				t.Errorf("host explain: exit status %d, want %d and %q:\n%s", status, tt.status, tt.explains, explained)
			}
			if checked, _, _ := lab.Output(t, lab.Program(), "check", "-c", site.File); !strings.Contains(checked, tt.checks) {
				t.Errorf("check does not say %q:\n%s", tt.checks, checked)
			}
			bootsAsExplained(t, server, m, tt.boots)
		})
	}
}

// relink makes a link another one.
func relink(t *testing.T, text, link string) {
	t.Helper()
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	lab.Link(t, text, link)
}

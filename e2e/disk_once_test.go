package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// The disk of the journal is full, or the journal taken away, while a machine installs: a
// deploy is refused before any link is touched, and an installer that is done is not
// forgotten. Machines boot, and lists are answered, all the same.
func TestDoneWhereTheJournalCannotBeWritten(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, dir string) (mend func())
		says  string
	}{
		{"full", func(t *testing.T, dir string) func() { return lab.Fill(t, dir, true) }, "there is no space left for the journal"},
		{"gone", func(t *testing.T, dir string) func() {
			is, was := filepath.Join(dir, "journal.db"), filepath.Join(dir, "away")
			rename := func(from, to string) {
				if err := os.Rename(from, to); err != nil {
					t.Fatal(err)
				}
			}
			rename(is, was)
			return func() { rename(was, is) }
		}, "journal.db was removed from the state directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hosts := lab.Hosts(2, 1)
			site := newSite(t, hosts...)
			// Room for the journal, and for what it makes beside itself at its start.
			lab.Mount(t, "tmpfs", site.State, "mode=700,size=8m")
			s := site.Serve(t)
			boots := func(h lab.Host) string {
				text, err := os.Readlink(site.Link(h.MACs[0]))
				if err != nil {
					return "nothing"
				}
				return text[strings.LastIndexByte(text, '/')+1:]
			}
			deploy(t, s, "local", hosts...)
			once := apiv1.Change{Hosts: []apiv1.HostRef{{Name: "h1", Then: "local"}}}
			if _, err := s.Client.Deploy(t.Context(), "install", once); err != nil {
				t.Fatal(err)
			}
			mend := tt.spoil(t, site.State)
			once.Hosts[0].Name = "h2"
			if _, err := s.Client.Deploy(t.Context(), "install", once); err == nil || !strings.Contains(err.Error(), "nothing was switched, for it cannot be written down: "+tt.says) {
				t.Errorf("a deploy: %v", err)
			}
			_, err := s.Client.Done(t.Context(), apiv1.SelfOptions{Host: "h1"})
			if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "say it again: that the installer of host \"h1\" is done") {
				t.Errorf("done: %v", err)
			}
			if boots(hosts[0]) != "install" || boots(hosts[1]) != "local" {
				t.Errorf("h1 boots %s and h2 %s", boots(hosts[0]), boots(hosts[1]))
			}
			if list, err := s.Client.Hosts(t.Context()); err != nil || len(list) != 2 {
				t.Errorf("the list: %v", err)
			}
			mend()
			lab.Until(t, "h1 is switched", func() bool { return boots(hosts[0]) == "local" })
			lab.Until(t, "the journal tells", func() bool {
				told := history(t, s, "h1")
				return told[len(told)-1] == "timer: done local, done"
			})
			want := []string{"api: deploy local, done", "api: deploy install, done", "api: done local, not done", "timer: done local, done"}
			if diff := cmp.Diff(want, history(t, s, "h1")); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"api: deploy local, done"}, history(t, s, "h2")); diff != "" {
				t.Errorf("history of h2 (-want +got):\n%s", diff)
			}
		})
	}
}

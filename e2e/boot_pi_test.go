package e2e

import (
	"path/filepath"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// A Raspberry Pi boots from a directory of its own, which here is a link to one
// that it shares with others.
func TestBootDirectory(t *testing.T) {
	t.Parallel()
	for _, server := range bootServers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			site := lab.NewBootSite(t, server.start)
			site.Loaders = `[{name: pi, kind: directory, link: "{serial}"}]`
			fill := func(dir, marker string) {
				for name, text := range map[string]string{"start4.elf": "firmware", "fixup4.dat": "more of it", "config.txt": "arm_64bit=1\n",
					"cmdline.txt": "marker=" + marker + "\n", "kernel8.img": "kernel"} {
					lab.Write(t, filepath.Join(dir, name), text)
				}
			}
			fill(filepath.Join(site.Conf, "pi", "A"), "A")
			fill(filepath.Join(site.Conf, "pi", "B"), "B")
			fill(site.Root, "default")
			pi := site.NewPi(t, "pi1", "9ffefdef")
			server := site.Serve(t)
			for _, step := range bootSteps(pi.Name, "default") {
				lab.PxePilot(t, append([]string{"-s", server.URL}, step.command...)...)
				explained := pi.Explain(t, server)
				if got, want := pi.PowerOn(t), "marker="+step.marker; got != want {
					t.Errorf("the Pi boots %q, want %q", got, want)
				}
				pi.AsExplained(t, explained)
			}
		})
	}
}

package lab

import (
	"embed"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// Linux puts a real Linux into a TFTP root: Debian's kernel as "vmlinuz", and as
// "initrd" a busybox that says on the serial line which command line it was booted
// with, as the marker kernel does, and turns the machine off.
func Linux(t testing.TB, root string) { linux(t, root, "initrd", nil) }

// LinuxInstaller is Linux whose "installer" writes disk to the machine's disk,
// deploys "local" to the machine over the API of server=ADDRESS:PORT of the command
// line, by its MAC address, and reboots. It says "installed", then "answered 204".
func LinuxInstaller(t testing.TB, root string, disk []byte) {
	linux(t, root, "installer", map[string][]byte{
		"then":      script(t, "install"),
		"bin/done":  script(t, "done"),
		"bin/lease": script(t, "lease"),
		"disk":      disk,
	})
}

// LinuxCaller is Linux whose "caller" makes the calls of calls=PATH,PATH of the
// command line, below /v1/self/ of server=ADDRESS:PORT, by busybox's wget. With
// disk=write it writes disk to the machine's disk before, and reboots; else it turns
// the machine off. It says "called PATH: ANSWER" of each call.
func LinuxCaller(t testing.TB, root string, disk []byte) {
	linux(t, root, "caller", map[string][]byte{"then": script(t, "call"), "bin/lease": script(t, "lease"), "disk": disk})
}

// Says waits until the machine says something on the serial line, after what was
// looked at so far.
func (m *Machine) Says(t testing.TB, something string) {
	t.Helper()
	Until(t, m.Name+" says "+something, func() bool {
		text := m.said(t)[m.heard:]
		_, after, said := strings.Cut(text, something)
		if said {
			m.heard += len(text) - len(after)
		}
		return said
	})
}

// AsExplainedEach is AsExplained for each boot of a machine that reboots by itself:
// another one begins where it asks for its loader, which it may repeat.
func (m *Machine) AsExplainedEach(t testing.TB, explained ...apiv1.Explanation) {
	t.Helper()
	var boots [][]Request
	for _, r := range slices.Compact(m.Requests(t)) {
		if len(boots) == 0 || r == boots[0][0] {
			boots = append(boots, nil)
		}
		last := len(boots) - 1
		boots[last] = append(boots[last], r)
	}
	if len(boots) != len(explained) {
		t.Fatalf("%s booted %d times, want %d: %v", m.Name, len(boots), len(explained), boots)
	}
	for i, e := range explained {
		m.site.asExplained(t, e, m.MACs[m.first], boots[i])
	}
}

// modules are what the kernel's package has as modules of what the lab's machines
// are made of, each behind those that it needs.
var modules = []string{
	"drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_modern_dev",
	"drivers/virtio/virtio_pci_legacy_dev", "drivers/virtio/virtio_pci",
	"net/core/failover", "drivers/net/net_failover", "drivers/net/virtio_net", "drivers/block/virtio_blk",
}

func linux(t testing.TB, root, initrd string, files map[string][]byte) {
	t.Helper()
	testenv.Need(t, "busybox")
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	debian := Unpacked(t, "linux-image-cloud-amd64")
	Write(t, filepath.Join(root, "vmlinuz"), Read(t, only(t, debian, "boot", "vmlinuz-*")))

	all := map[string][]byte{
		"bin/busybox": []byte(Read(t, busybox)),
		"init":        script(t, "init"),
		"then":        nil,
		"dev/":        nil, "proc/": nil, "sys/": nil,
	}
	var names []string
	for _, m := range modules {
		name := path.Base(m)
		names = append(names, name)
		all["lib/"+name+".ko"] = []byte(Read(t, only(t, debian, "lib/modules/*/kernel", m+".ko")))
	}
	all["modules"] = []byte(strings.Join(names, "\n"))
	for name, data := range files {
		all[name] = data
	}
	Write(t, filepath.Join(root, initrd), string(archive(all)))
}

//go:embed testdata/*.sh
var scripts embed.FS

func script(t testing.TB, name string) []byte {
	t.Helper()
	text, err := scripts.ReadFile("testdata/" + name + ".sh")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Unpacked is where scripts/unpack.sh put a Debian package.
func Unpacked(t testing.TB, name string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "pxe-pilot-lab", name)
	if !Exists(dir) {
		testenv.Lack(t, "needs the Debian package "+name+" (scripts/packages.sh unpacks it in "+filepath.Dir(dir)+")")
	}
	return dir
}

// only is the one file of a form.
func only(t testing.TB, parts ...string) string {
	t.Helper()
	form := filepath.Join(parts...)
	found, err := filepath.Glob(form)
	if err != nil || len(found) != 1 {
		t.Fatalf("there is not one %s, but %q", form, found)
	}
	return found[0]
}

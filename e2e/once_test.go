package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// history is what the journal tells of a host, the earliest first: who did what, and
// what came of it.
func history(t *testing.T, s *lab.Server, host string) []string {
	t.Helper()
	told, err := s.Client.History(t.Context(), apiv1.HistoryOptions{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for i := range told.Entries {
		e := &told.Entries[len(told.Entries)-1-i]
		list = append(list, strings.TrimSpace(e.Actor+": "+e.What+" "+e.Configuration)+", "+e.Result)
	}
	return list
}

// What the program was made for, as it is meant today: a machine is deployed to
// once, and tells by itself that it is done. It knows no secret: what it is known by
// is its connection. Another machine tries to end its install, and cannot.
func TestInstallOnce(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.TftpdSecure, "dhcp-boot=pxelinux.0")
	site.Put(t, ".", pxelinux...)
	lab.LinuxCaller(t, site.Root, []byte(lab.Read(t, filepath.Join(site.Root, "disk"))))
	server, _ := strings.CutPrefix(site.URL(), "http://")
	linux := func(name, more string) {
		site.Configure(t, name, "DEFAULT it\nLABEL it\n  KERNEL vmlinuz\n  INITRD caller\n  APPEND marker="+name+" quiet server="+server+" "+more+"\n")
	}
	linux("installer", "disk=write calls=done")
	linux("intruder", "calls=done?host=h1,failed?host=h1,done")
	site.Configure(t, "local", "DEFAULT it\nLABEL it\n  LOCALBOOT 0\n")
	lab.Write(t, filepath.Join(site.Root, "pxelinux.cfg", "default"), syslinuxBoots("default"))
	h1 := site.Machine(t, "h1", lab.BIOS, lab.EmptyDisk, lab.Args("-m", "128"))
	h2 := site.Machine(t, "h2", lab.BIOS, lab.Args("-m", "128"))
	site.BMC(t, h1)
	s := site.Serve(t)
	pilot := func(args ...string) string { return lab.PxePilot(t, append([]string{"-s", s.URL}, args...)...) }

	pilot("config", "deploy", "installer", "h1", "--then", "local")
	pilot("config", "deploy", "intruder", "h2")
	h2.PowerOn(t)
	h2.Boots(t, "intruder")
	h2.Says(t, "called done?host=h1: wget: server returned error: HTTP/1.1 403 Forbidden")
	h2.Says(t, "called failed?host=h1: wget: server returned error: HTTP/1.1 403 Forbidden")
	h2.Says(t, "called done: wget: server returned error: HTTP/1.1 409 Conflict")
	h2.Off(t)
	if got := pilot("host", "armed", "-o", "name"); got != "h1\n" {
		t.Errorf("armed: %q", got)
	}

	pilot("config", "deploy", "installer", "h1", "--then", "local", "--now")
	h1.Boots(t, "installer")
	h1.Says(t, `called done: {"name":"h1","configuration":"local","state":"configured"}`)
	h1.Boots(t, "disk") // for it reboots by itself
	pilot("host", "reboot", "h1")
	h1.Boots(t, "disk")
	if got := pilot("host", "armed", "-o", "name"); got != "" {
		t.Errorf("armed in the end: %q", got)
	}
	want := []string{"api: deploy installer, done", "host h2: refused, not done", "host h2: refused, not done", "api: deploy installer, done", "host h1: done local, done"}
	if diff := cmp.Diff(want, history(t, s, "h1")); diff != "" {
		t.Errorf("history of h1 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"api: deploy intruder, done", "host h2: refused, not done"}, history(t, s, "h2")); diff != "" {
		t.Errorf("history of h2 (-want +got):\n%s", diff)
	}
}

// ipxeInstall is an installer of iPXE's own means: it waits until its gate is a file
// of the TFTP root, makes a call, and shows by what it boots whether that was
// answered well.
func ipxeInstall(marker, call string) string {
	return "#!ipxe\ngoto ask\n:wait\nsleep 1\n:ask\nimgfetch --name gate ${server}/tftp/gate-" + marker + " || goto wait\nimgfree gate\n" +
		"imgfetch --name done ${server}/v1/self/do/" + call + " || goto refused\nimgfree done\n" +
		"chain /tftp/mark marker=" + marker + "-accepted\n:refused\nchain /tftp/mark marker=" + marker + "-refused\n"
}

// A machine is deployed to anew while it installs. That the former install is done
// says nothing of the new one if it names its generation; a bare call is about what
// is armed now. iPXE makes the calls, by GET.
func TestRedeployDuringInstall(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.Dnsmasq, "dhcp-boot=http://SERVER:3478/boot/${mac:hexhyp}")
	site.Loaders = "[{name: ipxe}]"
	h1 := site.Machine(t, "h1", lab.BIOS, lab.EmptyDisk)
	h1.Install(t)
	install := func(marker, call string) {
		site.Configure(t, "ipxe/"+marker, strings.ReplaceAll(ipxeInstall(marker, call), "${server}", site.URL()))
	}
	install("first", "done?generation=1")
	install("second", "done?generation=2")
	install("bare", "done")
	install("sad", "failed?reason=no%20disk")
	site.Configure(t, "ipxe/local", "#!ipxe\nexit\n")
	s := site.Serve(t)
	pilot := func(args ...string) string { return lab.PxePilot(t, append([]string{"-s", s.URL}, args...)...) }
	once := func(configuration string) { pilot("config", "deploy", configuration, "h1", "--then", "local") }
	open := func(marker string) { lab.Write(t, filepath.Join(site.Root, "gate-"+marker), "open\n") }
	boots := func(want string) {
		t.Helper()
		h, err := s.Client.Host(t.Context(), "h1")
		if err != nil || h.Configuration == nil || h.Configuration.Name != want {
			t.Errorf("h1 boots %+v (%v), want %s", h.Configuration, err, want)
		}
	}
	run := func(marker, end string) {
		t.Helper()
		h1.Cycle(t)
		lab.Until(t, "it runs "+marker, func() bool {
			return slices.ContainsFunc(h1.Requests(t), func(r lab.Request) bool { return strings.HasSuffix(r.Path, "/gate-"+marker) })
		})
		if marker == "first" || marker == "bare" {
			once("second") // while it installs
		}
		open(marker)
		h1.Boots(t, marker+"-"+end)
	}

	once("first") // 1
	run("first", "refused")
	boots("second")
	run("second", "accepted") // 2
	boots("local")

	once("bare") // 3, and 4 meanwhile
	run("bare", "accepted")
	boots("local")

	once("sad")
	run("sad", "accepted")
	boots("sad")
	if got := pilot("host", "armed"); !strings.Contains(got, "! failed: no disk") {
		t.Errorf("armed:\n%s", got)
	}
	pilot("config", "deploy", "local", "h1")
	h1.Cycle(t)
	h1.Boots(t, "disk")
	want := []string{
		"api: deploy first, done", "api: deploy second, done", "host h1: refused, not done", "host h1: done local, done",
		"api: deploy bare, done", "api: deploy second, done", "host h1: done local, done",
		"api: deploy sad, done", "host h1: failed sad, done", "api: deploy local, done",
	}
	if diff := cmp.Diff(want, history(t, s, "h1")); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

// An install never ends, and the server is killed and started again meanwhile: the
// machine boots its disk when its time is over, all the same.
func TestTimeoutAcrossRestart(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.Dnsmasq, "dhcp-boot=pxelinux.0")
	site.Put(t, ".", pxelinux...)
	m := site.Machine(t, "h1", lab.BIOS, lab.EmptyDisk)
	m.Install(t)
	site.Configure(t, "endless", syslinuxBoots("endless"))
	site.Configure(t, "local", "DEFAULT it\nLABEL it\n  LOCALBOOT 0\n")
	s := site.Serve(t)
	within := 8 * time.Second
	asked := time.Now()
	lab.PxePilot(t, "-s", s.URL, "config", "deploy", "endless", "h1", "--then", "local", "--within", within.String())
	m.PowerOn(t)
	m.Boots(t, "endless")
	link, err := os.Readlink(site.Link(m.MACs[0]))
	if err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s = site.Serve(t)
	if h, err := s.Client.Host(t.Context(), "h1"); err != nil || time.Since(asked) < within/2 && (h.Armed == nil || h.Armed.Then != "local") {
		t.Errorf("after the restart: %+v, %v", h, err)
	}
	lab.Until(t, "the time is over", func() bool {
		now, err := os.Readlink(site.Link(m.MACs[0]))
		return err == nil && now != link
	})
	if early := within - time.Since(asked); early > 0 {
		t.Errorf("it was switched %v too early", early)
	}
	m.Cycle(t)
	m.Boots(t, "disk")
	lab.Until(t, "the journal tells", func() bool {
		told := history(t, s, "h1")
		return told[len(told)-1] == "timer: timeout local, done"
	})
	if diff := cmp.Diff([]string{"api: deploy endless, done", "timer: timeout local, done"}, history(t, s, "h1")); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

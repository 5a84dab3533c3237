package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/power/fakebmc"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// A verifiedSite has one host, h1, with a BMC, and TFTP servers to verify with.
type verifiedSite struct {
	*lab.Site
	server  *lab.Server
	machine *fakebmc.Machine
	host    lab.Host
}

var tftpAddresses atomic.Int32

// tftpAddress is where a TFTP server may be started.
func tftpAddress() string { return fmt.Sprintf("127.70.0.%d", tftpAddresses.Add(1)) }

// newVerifiedSite starts a server of ours. tftp and deploy are what the file says
// in these sections besides the root, as YAML.
func newVerifiedSite(t *testing.T, tftp, deploy string) *verifiedSite {
	t.Helper()
	v := &verifiedSite{Site: lab.NewSite(t), machine: new(fakebmc.Machine), host: lab.Hosts(1, 2)[0]}
	v.host.Power = lab.IPMI(lab.BMC(t, "secret", v.machine).Addr(), "password: secret")
	describe(t, v.Site, v.host)
	v.restart(t, tftp, deploy)
	return v
}

// restart has our server started anew, with another file.
func (v *verifiedSite) restart(t *testing.T, tftp, deploy string) {
	t.Helper()
	v.serve(t, strings.Replace(v.Text(v.host), "tftp:\n", "tftp:\n  "+tftp+"\n", 1)+"deploy: {"+deploy+"}\n")
}

func (v *verifiedSite) serve(t *testing.T, text string) {
	t.Helper()
	v.Describe(t, text)
	if v.server != nil {
		v.server.Stop(t)
	}
	v.server = v.Serve(t)
}

// deploy deploys to h1 with a reboot, verifies, and wants the machine to be turned
// on just where every server is found to serve. It returns why one does not.
func (v *verifiedSite) deploy(t *testing.T, configuration string) string {
	t.Helper()
	v.machine.Press(false)
	verify := true
	out, err := v.server.Client.Deploy(t.Context(), configuration, apiv1.Change{Hosts: []apiv1.HostRef{{Name: "h1", Reboot: true}}, Verify: &verify})
	if err != nil {
		t.Fatal(err)
	}
	h := out.Hosts[0]
	if served := h.Served == "YES"; served != (h.Unserved == "" && out.Problem == "") || served != (h.Rebooted == "YES") || served != v.machine.On() {
		t.Errorf("%+v %q; the machine is on: %t", h, out.Problem, v.machine.On())
	}
	return h.Unserved + out.Problem
}

// wants checks that a text says something.
func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("it does not say %q:\n%s", p, text)
		}
	}
}

// allTFTPServers are those of tftpServers, and atftpd.
var allTFTPServers = []struct {
	name  string
	start lab.TFTPServer
}{{"dnsmasq", lab.Dnsmasq}, {"tftpd-hpa --secure", lab.TftpdSecure}, {"tftpd-hpa", lab.Tftpd}, {"atftpd", lab.Atftpd}}

// Where all is well every server is found to serve, whatever it is.
func TestEveryServerServes(t *testing.T) {
	for _, server := range allTFTPServers {
		t.Run(server.name, func(t *testing.T) {
			at := tftpAddress()
			v := newVerifiedSite(t, "address: "+at, "")
			server.start(t, v.Root, at)
			for _, configuration := range []string{"install", "local"} {
				if why := v.deploy(t, configuration); why != "" {
					t.Error(why)
				}
			}
			wants(t, lab.PxePilot(t, "-s", v.server.URL, "host", "explain", "h1", "--verify"), "SERVED by "+at+":69")
			wants(t, lab.PxePilot(t, "check", "-c", v.File, "--verify"), ": no errors, ")
		})
	}
}

// An absolute link is found by a server that sees all of the file system, and not
// by one that is locked into the root. Both have to serve.
func TestVerifyAbsoluteLinks(t *testing.T) {
	free, locked := tftpAddress(), tftpAddress()
	v := newVerifiedSite(t, fmt.Sprintf("address: [%s, %s]\n  links: absolute", free, locked), "")
	lab.Dnsmasq(t, v.Root, free)
	lab.TftpdSecure(t, v.Root, locked)
	why := v.deploy(t, "install")
	wants(t, why, locked+":69 gives", "nothing: ", "locked into its root")
	if strings.Contains(why, free) {
		t.Errorf("the other one serves it: %s", why)
	}
	stdout, _, status := lab.Output(t, lab.Program(), "check", "-c", v.File, "--verify")
	wants(t, stdout, "error: "+locked+`:69: host "h1", booting by `)
	if status != 1 || strings.Contains(stdout, free) {
		t.Errorf("check ends with status %d:\n%s", status, stdout)
	}
}

// A server of another directory shows itself by what it has, or has not.
func TestVerifyWrongRoot(t *testing.T) {
	for _, server := range allTFTPServers {
		t.Run(server.name, func(t *testing.T) {
			at, other := tftpAddress(), lab.Dir(t)
			v := newVerifiedSite(t, "address: "+at, "verify: true")
			lab.Write(t, filepath.Join(other, "pxelinux.cfg", "default"), "another default\n")
			server.start(t, other, at)
			why := v.deploy(t, "local")
			if server.name == "tftpd-hpa" { // asked by absolute names
				wants(t, why, "nothing: "+lab.Name(v.host.MACs[0]), "access denied")
			} else {
				wants(t, why, "pxelinux.cfg/default, 16 bytes, in place of "+lab.Name(v.host.MACs[0]), "not found there")
			}
		})
	}
}

// A replica that is behind holds up the reboot, until what comes after a switch
// brings it up to date. The same deploy again is another try.
func TestVerifyReplica(t *testing.T) {
	testenv.Need(t, "rsync")
	first, second, replica := tftpAddress(), tftpAddress(), lab.Dir(t)
	tftp := fmt.Sprintf("address: [%s, %s]", first, second)
	v := newVerifiedSite(t, tftp, "")
	lab.Dnsmasq(t, v.Root, first)
	lab.TftpdSecure(t, replica, second)
	wants(t, v.deploy(t, "install"), second+":69 gives", "nothing: "+lab.Name(v.host.MACs[0])+" is not found there")

	v.restart(t, tftp, fmt.Sprintf("after_switch: rsync -a --delete-after %s/ %s/", v.Root, replica))
	if why := v.deploy(t, "install"); why != "" {
		t.Error(why)
	}
	v.restart(t, tftp, "")
	wants(t, v.deploy(t, "local"), second+":69 gives", "other content of "+lab.Name(v.host.MACs[0]), "the server's copy behind")
}

// Where what comes after a switch fails, links stay switched, and nothing is
// verified or powered.
func TestAfterSwitchFails(t *testing.T) {
	at := tftpAddress()
	up := filepath.Join(lab.Dir(t), "up")
	v := newVerifiedSite(t, "address: "+at, "after_switch: ls "+up)
	lab.Dnsmasq(t, v.Root, at)
	wants(t, v.deploy(t, "install"), "deploy.after_switch failed", "the command ended with status 2", "ls: cannot access")
	if got, err := os.ReadFile(v.Link(v.host.MACs[1])); err != nil || string(got) != contents["install"] {
		t.Errorf("the links are not switched: %q, %v", got, err)
	}
	_, stderr, status := lab.Output(t, lab.Program(), "-s", v.server.URL, "config", "deploy", "local", "h1")
	wants(t, stderr, "error: the links were switched, but deploy.after_switch failed")
	if status != 1 {
		t.Errorf("exit status %d", status)
	}
	lab.Write(t, up, "")
	if why := v.deploy(t, "local"); why != "" {
		t.Error(why)
	}
}

// A command after a switch knows where the root is, and nothing else of ours.
func TestAfterSwitchEnvironment(t *testing.T) {
	dir := lab.Dir(t)
	v := newVerifiedSite(t, "links: relative", fmt.Sprintf("after_switch: sh -c 'env | sort >%s/env'", dir))
	lab.PxePilot(t, "-s", v.server.URL, "host", "clear", "h1")
	var names []string
	for line := range strings.Lines(lab.Read(t, filepath.Join(dir, "env"))) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		names = append(names, name)
		if name == "PXE_PILOT_ROOT" && value != v.Root {
			t.Errorf("%s is %s", name, value)
		}
	}
	if got := strings.Join(names, " "); got != "LANG PATH PWD PXE_PILOT_ROOT" {
		t.Errorf("it gets %s", got)
	}
}

// A configuration that is closed to a server's user is told as such.
func TestVerifyClosedFile(t *testing.T) {
	for _, server := range allTFTPServers {
		t.Run(server.name, func(t *testing.T) {
			at := tftpAddress()
			v := newVerifiedSite(t, "address: "+at, "")
			server.start(t, v.Root, at)
			if err := os.Chmod(filepath.Join(v.Conf, "install"), 0o600); err != nil {
				t.Fatal(err)
			}
			wants(t, v.deploy(t, "install"), "'chmod o+r' lets it")
			if err := os.Chmod(filepath.Join(v.Conf, "install"), 0o644); err != nil {
				t.Fatal(err)
			}
			if why := v.deploy(t, "install"); why != "" {
				t.Error(why)
			}
		})
	}
}

// A dead server is told once for all hosts, by check, and holds up every reboot.
func TestVerifyDeadServer(t *testing.T) {
	at, dead := tftpAddress(), tftpAddress()
	v := newVerifiedSite(t, fmt.Sprintf("address: [%s, %s]", at, dead), "")
	lab.Dnsmasq(t, v.Root, at)
	wants(t, v.deploy(t, "install"), "TFTP server "+dead+":69 does not answer")
	hosts := lab.Hosts(200, 2)
	v.Describe(t, strings.Replace(v.Text(hosts...), "tftp:\n", fmt.Sprintf("tftp:\n  address: [%s, %s]\n", at, dead), 1))
	stdout, _, status := lab.Output(t, lab.Program(), "check", "-c", v.File, "--verify")
	wants(t, stdout, "error: "+dead+":69: TFTP server "+dead+":69 does not answer", "hosts that it was not asked for, for that reason: 200", ": 1 error, no warnings\n")
	if status != 1 {
		t.Errorf("exit status %d", status)
	}
}

// Who asks for what cannot be verified is told so before anything is switched.
func TestNobodyToVerifyWith(t *testing.T) {
	v := newVerifiedSite(t, "links: relative", "")
	before := lab.Tree(t, v.Root)
	_, stderr, status := lab.Output(t, lab.Program(), "-s", v.server.URL, "config", "deploy", "install", "h1", "--now", "--verify")
	wants(t, stderr, "set tftp.address in the configuration file")
	if status != 4 || v.machine.On() || len(lab.Tree(t, v.Root)) != len(before) {
		t.Errorf("exit status %d", status)
	}
	stdout, _, status := lab.Output(t, lab.Program(), "check", "-c", v.File, "--verify")
	wants(t, stdout, "set tftp.address in the configuration file", ": 1 error, ")
	if status != 1 {
		t.Errorf("check: exit status %d", status)
	}
}

// A script that leads to the links is fetched and compared as well, and so is what
// a whole directory begins with.
func TestVerifyOtherLoaders(t *testing.T) {
	at, other, copied := tftpAddress(), tftpAddress(), lab.Dir(t)
	v := newVerifiedSite(t, "links: relative", "")
	lab.Dnsmasq(t, v.Root, at)
	lab.TftpdSecure(t, copied, other)
	firmware := strings.Repeat("firmware of a board ", 100_000)
	lab.Write(t, filepath.Join(v.Conf, "signed", "install"), contents["install"])
	lab.Write(t, filepath.Join(v.Conf, "board", "install", "start4.elf"), firmware)
	v.host.Power += ", serial: 1234abcd"
	text := strings.Replace(v.Text(v.host), "configuration:\n", "configuration:\n  bootloaders:\n"+
		"    - {name: signed, kind: grub-signed}\n    - {name: board, kind: directory, link: \"{serial}\"}\n", 1)
	v.serve(t, strings.Replace(text, "tftp:\n", fmt.Sprintf("tftp:\n  address: [%s, %s]\n", at, other), 1))
	e, err := v.server.Client.Explain(t.Context(), "h1", false)
	if err != nil {
		t.Fatal(err)
	}
	setup := e.Searches[0].Setup
	lab.Write(t, filepath.Join(v.Root, setup.Path), setup.Text)
	for _, file := range []string{setup.Path, "grub/host/01-52-54-00-00-00-01", "grub/host/01-52-54-00-01-00-01", "1234abcd/start4.elf"} {
		wants(t, v.deploy(t, "install"), " nothing: "+file+" is not found there")
		lab.Write(t, filepath.Join(copied, file), lab.Read(t, filepath.Join(v.Root, file)))
	}
	if why := v.deploy(t, "install"); why != "" {
		t.Error(why)
	}
}

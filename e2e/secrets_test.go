package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/power/fakebmc"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish/redfishtest"
)

// hush is in each password of the test, and so must be nowhere else.
const hush = "hush-"

// quiet wants that a text holds no password.
func quiet(t *testing.T, what, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.Contains(line, hush) {
			t.Errorf("%s shows a password: %s", what, line)
		}
	}
}

// Whatever the program writes, answers or runs, and whatever goes wrong: no
// password is in it.
func TestSecrets(t *testing.T) {
	site := lab.NewSite(t)
	strip := newStrip(t, "hush-strip", "1", "hush-outlet")
	service := redfishtest.New(redfishtest.Options{Username: lab.User, Password: "hush-redfish"})
	t.Cleanup(service.Close)
	secrets := filepath.Join(filepath.Dir(site.File), "secrets")
	lab.Write(t, filepath.Join(secrets, "good"), "hush-file\n")
	lab.Write(t, filepath.Join(secrets, "bad"), "hush-one\nhush-two\n")
	bmc := func(password string) string { return lab.BMC(t, password, new(fakebmc.Machine)).Addr().String() }
	ipmi := func(at, credentials string) string {
		host, port, _ := strings.Cut(at, ":")
		return fmt.Sprintf("ipmi: {hostname: %s, port: %s, username: %s, %s}", host, port, lab.User, credentials)
	}
	powers := []string{ // which work
		ipmi(bmc("hush-inline"), "password: hush-inline"),
		ipmi(bmc("hush-file"), "password_file: secrets/good"),
		ipmi(bmc("hush-env"), "password_env: BMC_PASSWORD"),
		redfish(service, "password: hush-redfish"),
		"management: {adapter: strip, ip_address: 10.8.0.20}",
	}
	works := len(powers)
	powers = append(powers, // which do not
		ipmi(bmc("hush-inline"), "password: hush-wrong"),
		ipmi(bmc("hush-file"), "password_file: secrets/bad"),
		ipmi(bmc("hush-env"), "password_env: NOWHERE"),
		redfish(service, "password: hush-wrong"),
		"management: {adapter: strip, ip_address: 10.8.0.20, vars: [{name: password, value: hush-wrong}]}",
		"management: {adapter: prints}",
		"management: {adapter: missing}",
	)
	hosts := lab.Hosts(len(powers), 1)
	var all []string
	for i := range hosts {
		hosts[i].Power = powers[i]
		all = append(all, hosts[i].Name)
	}
	describe(t, site, hosts...)
	text := site.Text(hosts...) + "host_management_adapters:\n" + strip.adapter("strip", "hush-strip") + `  - name: prints
    vars: [{name: token, value: hush-token}]
    power_status: {cmd: "sh -c 'cat; env; cat >&2; env >&2'", env: {T: "{{.token}}"}, stdin: "<{{.token}}>", pattern_on: ^on$, pattern_off: ^off$}
  - name: missing
    vars: [{name: token, value: hush-token}]
    power_status: {cmd: no-such-program, env: {T: "{{.token}}"}, stdin: "{{slice .token 99}}", pattern_on: ^on$, pattern_off: ^off$}
`
	site.Describe(t, text)
	cmd := site.Command(t, "--debug")
	cmd.Env = append(cmd.Env, "BMC_PASSWORD=hush-env")
	server := lab.Serving(t, lab.StartCommand(t, cmd))

	// What works, and what goes wrong.
	pilot := func(args ...string) {
		t.Helper()
		stdout, stderr, _ := lab.Output(t, lab.Program(), append([]string{"-d", "-s", server.URL}, args...)...)
		quiet(t, strings.Join(args, " "), stdout+stderr)
	}
	run(t, server, 0, append([]string{"host", "on"}, all[:works]...)...)
	for _, host := range all[works:] {
		if _, errors := run(t, server, 1, "host", "on", host); !strings.Contains(errors, host) {
			t.Errorf("it says %q of %s", errors, host)
		}
	}
	for _, args := range [][]string{
		{"host", "status"}, {"host", "reboot"}, {"host", "cycle"}, {"config", "deploy", "install", "--now"}, {"host", "off", "-o", "json"},
	} {
		pilot(append(args, all...)...)
	}
	pilot("host", "list")
	pilot("host", "list", "-o", "yaml")
	pilot("discover")
	quiet(t, "the list", ask(t, "GET", server.URL+"/v1/hosts", "").body)
	for _, host := range all {
		pilot("host", "show", host)
		for _, path := range []string{"", "/power"} {
			quiet(t, host+path, ask(t, "GET", server.URL+"/v1/hosts/"+host+path, "").body)
		}
		quiet(t, host, ask(t, "PATCH", server.URL+"/v1/hosts/"+host+"/on", "").body)
	}

	argv(t, server, strip)

	// A file with errors, told by the server, by check, and by a start.
	mark := server.Mark()
	site.Describe(t, strings.NewReplacer("password: hush-inline", "pasword: hush-inline", "password: hush-wrong", "password: [hush-wrong]",
		"value: hush-token", "valeu: hush-token", `"{{.token}}"`, `"{{.hush-token"`).Replace(text))
	server.WaitAfter(t, mark, "not reloaded")
	pilot("check", "-c", site.File)
	pilot("server", "-c", site.File)
	mark = server.Mark()
	site.Describe(t, strings.Replace(text, "password: hush-inline", "password: 'hush-inline", 1)) // which no quote ends
	server.WaitAfter(t, mark, "not reloaded")
	pilot("check", "-c", site.File)
	mark = server.Mark()
	site.Describe(t, text)
	server.WaitAfter(t, mark, "was reloaded")
	pilot("check", "-c", site.File)

	for _, dir := range []string{site.State, site.Root, strip.dir} {
		if !lab.Exists(dir) {
			continue
		}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				quiet(t, path, lab.Read(t, path))
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	server.Signal(t, syscall.SIGQUIT)
	server.Exit(t)
	if !strings.Contains(server.Said(), "goroutine ") {
		t.Error("the server did not say what it was at")
	}
	quiet(t, "the log", server.Said())
}

// argv looks at all processes while programs of adapters run.
func argv(t *testing.T, server *lab.Server, strip *strip) {
	t.Helper()
	hold := filepath.Join(filepath.Dir(strip.dir), "hold")
	if err := syscall.Mkfifo(hold, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"off", "on"} { // by its standard input, by its environment
		order := lab.Start(t, lab.Program(), "-s", server.URL, "host", verb, "h5")
		var release *os.File
		lab.Until(t, "the program reads", func() bool { // fifo(7)
			var err error
			release, err = os.OpenFile(hold, os.O_WRONLY|syscall.O_NONBLOCK, 0)
			return err == nil
		})
		running := processes(t, strip.program)
		if len(running) != 1 {
			t.Errorf("%d programs run", len(running))
		}
		for _, process := range running {
			var names []string
			for v := range strings.SplitSeq(strings.TrimSuffix(lab.Read(t, filepath.Join("/proc", process, "environ")), "\x00"), "\x00") {
				name, _, _ := strings.Cut(v, "=")
				names = append(names, name)
			}
			slices.Sort(names)
			want := map[string][]string{"off": {"LANG", "PATH"}, "on": {"LANG", "PATH", "STRIP_PASSWORD"}}[verb]
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("host %s: the program's environment (-want +got):\n%s", verb, diff)
			}
		}
		if shown := processes(t, hush); len(shown) > 0 {
			t.Errorf("host %s: the processes %v have passwords in their arguments", verb, shown)
		}
		if err := release.Close(); err != nil {
			t.Fatal(err)
		}
		if status := order.Exit(t); status != 0 {
			t.Errorf("host %s: exit status %d", verb, status)
		}
	}
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
}

// processes are those with a text in their arguments, which zero bytes end.
func processes(t *testing.T, text string) []string {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline") // proc_pid_cmdline(5)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range lines {
		line, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(line), text) {
			found = append(found, filepath.Base(filepath.Dir(file)))
		}
	}
	return found
}

// A password that changes in its file is used from then on, without a reload.
func TestPasswordFileChanges(t *testing.T) {
	site, machine := lab.NewSite(t), new(fakebmc.Machine)
	hosts := lab.Hosts(1, 1)
	hosts[0].Power = lab.IPMI(lab.BMC(t, "new", machine).Addr(), "password_file: bmc")
	file := filepath.Join(filepath.Dir(site.File), "bmc")
	lab.Write(t, file, "old\n")
	describe(t, site, hosts...)
	server := site.Serve(t)
	run(t, server, 1, "host", "on", "h1")
	lab.Write(t, file, "new\n")
	run(t, server, 0, "host", "on", "h1")
	if !machine.On() {
		t.Error("the machine is off")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	server.Stop(t) // with its session
	server = site.Serve(t)
	if _, errors := run(t, server, 1, "host", "status", "h1"); !strings.Contains(errors, `password_file "`+file+`" does not exist`) {
		t.Errorf("it says %s", errors)
	}
}

// A file with passwords that others can read is told, by check and by the server.
func TestPasswordsForAll(t *testing.T) {
	site, hosts := lab.NewSite(t), lab.Hosts(1, 1)
	hosts[0].Power = lab.IPMI(lab.Silence(t), "password: x")
	describe(t, site, hosts...)
	const warning = "holds a password and is open to everyone"
	if stdout, stderr, _ := lab.Output(t, lab.Program(), "check", "-c", site.File); !strings.Contains(stdout+stderr, warning) {
		t.Errorf("check says %s%s", stdout, stderr)
	}
	site.Serve(t).Wait(t, warning)
	if err := os.Chmod(site.File, 0o600); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, _ := lab.Output(t, lab.Program(), "check", "-c", site.File); strings.Contains(stdout+stderr, warning) {
		t.Errorf("check says %s%s", stdout, stderr)
	}
}

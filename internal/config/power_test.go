package config

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

// words stands in for the room that runs commands: it knows of {{.name}} only,
// takes BROKEN for a mistake and LOUD for an unwise thing.
var words = Commands{
	Adapter: func(a pxepilot.Adapter) (remarks []Remark) {
		each(a, func(where, text string) {
			if strings.Contains(text, "BROKEN") {
				remarks = append(remarks, Remark{Where: where, Text: "is broken"})
			}
			if strings.Contains(text, "LOUD") {
				remarks = append(remarks, Remark{Where: where, Text: "is loud", Warning: true})
			}
		})
		return remarks
	},
	Host: func(a pxepilot.Adapter, vars []pxepilot.Var, address bool) (remarks []Remark) {
		each(a, func(where, text string) {
			for _, m := range regexp.MustCompile(`\{\{\.(\w+)\}\}`).FindAllStringSubmatch(text, -1) {
				is := func(v pxepilot.Var) bool { return v.Name == m[1] }
				if !slices.ContainsFunc(a.Vars, is) && !slices.ContainsFunc(vars, is) && (m[1] != "ip_address" || !address) {
					remarks = append(remarks, Remark{Where: where, Text: "has no " + m[1]})
				}
			}
		})
		return remarks
	},
	Words: func(line string) error {
		if strings.Contains(line, "BROKEN") {
			return errors.New("is broken")
		}
		return nil
	},
}

// each calls f for the texts of an adapter.
func each(a pxepilot.Adapter, f func(where, text string)) {
	f("power_status.pattern_on", a.PatternOn)
	f("power_status.pattern_off", a.PatternOff)
	for i, c := range []pxepilot.Command{a.Status, a.On, a.Off, a.Reset} {
		name := []string{"power_status", "power_on", "power_off", "power_reset"}[i]
		f(name+".cmd", c.Line)
		for key, value := range c.Env {
			f(name+".env."+key, value)
		}
		f(name+".stdin", c.Stdin)
	}
}

// warned is what Load warned of, without the directory of the files.
func warned(c *Config) string {
	return strings.ReplaceAll(Errors(c.Warnings).Error(), filepath.Dir(c.Path)+"/", "")
}

func loadText(t *testing.T, text string, files ...string) *Config {
	t.Helper()
	c, err := Load(write(t, append([]string{"c.yml", text + site}, files...)...), WithCommands(words))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRedfishWays(t *testing.T) {
	const digits = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	colons := strings.ToUpper(regexp.MustCompile(`..`).ReplaceAllString(digits, "$0:"))
	c := loadText(t, `
hosts:
  - {name: a, mac_addresses: [525400000001], redfish: {url: "https://10.0.0.5/", username: u, password_env: BMC_PW, system: 437XR1138R2}}
  - {name: b, mac_addresses: [525400000002], redfish: {url: "HTTPS://[fd00::5]:8443/redfish/v1/", fingerprint: `+digits+`}}
  - {name: c, mac_addresses: [525400000003], redfish: {url: https://bmc.example, fingerprint: "`+colons[:95]+`", insecure: false}}
  - {name: d, mac_addresses: [525400000004], redfish: {url: https://bmc_2.example:443, insecure: true, username: u, password: a longer one than IPMI takes}}
  - {name: e, mac_addresses: [525400000005], redfish: {url: "http://127.0.0.1:8000", insecure: true}}
  - {name: f, mac_addresses: [525400000006], redfish: {url: "https://[fe80::1%25eth0]"}}
`)
	want := []*pxepilot.Redfish{
		{URL: "https://10.0.0.5", Credentials: pxepilot.Credentials{Username: "u", PasswordEnv: "BMC_PW"}, System: "437XR1138R2"},
		{URL: "https://[fd00::5]:8443", Fingerprint: digits},
		{URL: "https://bmc.example", Fingerprint: digits},
		{URL: "https://bmc_2.example:443", Insecure: true,
			Credentials: pxepilot.Credentials{Username: "u", Password: pxepilot.NewSecret("a longer one than IPMI takes")}},
		{URL: "http://127.0.0.1:8000", Insecure: true},
		{URL: "https://[fe80::1%25eth0]"},
	}
	for i, h := range c.Hosts {
		if d := cmp.Diff(want[i], h.Redfish, equal); d != "" {
			t.Error(h.Name, d)
		}
	}
	if d := cmp.Diff(`c.yml:6:98: the BMC's certificate is not looked at, so that anyone in its place learns the password; give its fingerprint instead
c.yml:7:96: the password goes over the network in clear, where everyone on its way can read it; use https where the BMC can`, warned(c)); d != "" {
		t.Error(d)
	}
}

func TestCAFile(t *testing.T) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	const host = "hosts: [{name: a, mac_addresses: [525400000001], redfish: {url: https://a, ca_file: ca.pem}}]\n"
	c := loadText(t, host, "ca.pem", authority)
	if got, want := c.Hosts[0].Redfish.CAFile, filepath.Join(filepath.Dir(c.Path), "ca.pem"); got != want {
		t.Errorf("got %s; want %s", got, want)
	}
	for want, files := range map[string][]string{
		`c.yml:1:85: ca_file "ca.pem" does not exist; put the certificate of the authority there`: nil,
		`c.yml:1:85: ca_file "ca.pem" holds no certificate in PEM form`:                           {"ca.pem", "hunter2"},
		`c.yml:1:85: ca_file "ca.pem" is a directory; name the file in it`:                        {"ca.pem/a", ""},
	} {
		if d := cmp.Diff(want, told(t, append([]string{"c.yml", host + site}, files...)...)); d != "" {
			t.Error(d)
		}
	}
}

func TestManagementWays(t *testing.T) {
	c := loadText(t, `
host_management_adapters:
  - &full
    name: full
    vars: [{name: user, value: admin}, {name: password, value: 012}, {name: empty, value: ""}]
    power_status: {cmd: "a {{.ip_address}} {{.user}}{{.empty}}", pattern_on: ^on, pattern_off: ^off, env: {PW: "{{.password}}"}, stdin: "{{.password}}\n"}
    power_on: &on {cmd: on}
    power_off: {<<: *on, env: {A: b}}
    power_reset: {cmd: "reset", stdin: ""}
  - {<<: *full, name: same, power_on: {cmd: "on {{.ip_address}}"}}
  - {name: bare, power_on: {cmd: "on"}}
hosts:
  - {name: a, mac_addresses: [525400000001], management: {adapter: full, ip_address: 10.0.0.5, vars: [{name: password, value: b}]}}
  - {name: b, mac_addresses: [525400000002], management: {adapter: same, mac_address: 5254000000a2, subnet: 10.0.0.0/24}}
  - {name: c, mac_addresses: [525400000003], management: {adapter: bare}}
`)
	b := netip.MustParsePrefix("10.0.0.0/24")
	want := []*pxepilot.Management{
		{Adapter: "full", Address: "10.0.0.5", Vars: []pxepilot.Var{{Name: "password", Value: pxepilot.NewSecret("b")}}},
		{Adapter: "same", MAC: mac(t, "5254000000a2"), Subnets: []netip.Prefix{b}},
		{Adapter: "bare"},
	}
	for i, h := range c.Hosts {
		if d := cmp.Diff(want[i], h.Management, equal); d != "" {
			t.Error(h.Name, d)
		}
	}
	full := pxepilot.Adapter{
		Name: "full",
		Vars: []pxepilot.Var{{Name: "user", Value: pxepilot.NewSecret("admin")}, {Name: "password", Value: pxepilot.NewSecret("012")},
			{Name: "empty", Value: pxepilot.NewSecret("")}},
		Status: pxepilot.Command{Line: "a {{.ip_address}} {{.user}}{{.empty}}", Env: map[string]string{"PW": "{{.password}}"},
			Stdin: "{{.password}}\n"},
		PatternOn: "^on", PatternOff: "^off",
		On:    pxepilot.Command{Line: "on"},
		Off:   pxepilot.Command{Line: "on", Env: map[string]string{"A": "b"}},
		Reset: pxepilot.Command{Line: "reset"},
	}
	same := full
	same.Name, same.On.Line = "same", "on {{.ip_address}}"
	if d := cmp.Diff([]pxepilot.Adapter{full, same, {Name: "bare", On: pxepilot.Command{Line: "on"}}}, c.Adapters, equal); d != "" {
		t.Error(d)
	}
	if got := warned(c); got != "" {
		t.Error(got)
	}
}

func TestWakeOnLANWays(t *testing.T) {
	c := loadText(t, `
hosts:
  - {name: a, mac_addresses: [525400000001], wol: true}
  - {name: b, mac_addresses: [525400000002], wol: {broadcast: 10.0.0.255}}
  - {name: c, mac_addresses: [525400000003], wol: {interface: br-lan.7}}
  - {name: d, mac_addresses: [525400000004], wol: false, ipmi: {hostname: a}}
`)
	want := []*pxepilot.WakeOnLAN{{}, {Broadcast: netip.MustParseAddr("10.0.0.255")}, {Interface: "br-lan.7"}, nil}
	for i, h := range c.Hosts {
		if d := cmp.Diff(want[i], h.WakeOnLAN, equal); d != "" {
			t.Error(h.Name, d)
		}
	}
}

// Where a value holds a password, the file that it is in must not be everyone's.
func TestWhatIsAPassword(t *testing.T) {
	host := func(s string) string {
		return "hosts: [{name: a, mac_addresses: [525400000001], " + s + "}]\nhost_management_adapters: [{name: x, power_on: {cmd: a}}]\n"
	}
	adapter := func(s string) string { return "hosts: []\nhost_management_adapters: [{name: x, " + s + "}]\n" }
	for text, want := range map[string]bool{
		host("ipmi: {hostname: a, password: b}"):                                                     true,
		host("redfish: {url: https://a, username: b, password: c}"):                                  true,
		host("management: {adapter: x, vars: [{name: Admin_Password, value: b}]}"):                   true,
		host("management: {adapter: x, vars: [{name: password, value: \"\"}, {name: a, value: b}]}"): false,
		host("ipmi: {hostname: a, password_env: b}"):                                                 false,
		adapter("vars: [{name: api_key, value: b}], power_on: {cmd: a}"):                             true,
		adapter("power_on: {cmd: a, env: {SNMP_TOKEN: b}}"):                                          true,
		adapter("power_on: {cmd: a, env: {SNMP_TOKEN: \"{{.token}}\", USER: b}}"):                    false,
	} {
		path := write(t, "c.yml", text+site)
		if err := os.Chmod(path, 0o604); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(warned(c), "c.yml: holds a password and is open to everyone here (mode 0604)"); got != want {
			t.Errorf("%s: warned %v", text, c.Warnings)
		}
	}
}

func TestPasswordFiles(t *testing.T) {
	var hosts strings.Builder
	for i, file := range []string{"0600", "0640", "0644", "0644", "dir/", "none", "none"} {
		fmt.Fprintf(&hosts, "  - {name: h%d, mac_addresses: [52540000000%[1]d], ipmi: {hostname: b%[1]d, password_file: pw/%s}}\n", i, file)
	}
	path := write(t, "c.yml", "hosts:\n"+hosts.String()+site, "pw/0600", "", "pw/0640", "", "pw/0644", "", "pw/dir/a", "")
	for name, mode := range map[string]os.FileMode{"0640": 0o640, "0644": 0o644} {
		if err := os.Chmod(filepath.Join(filepath.Dir(path), "pw", name), mode); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(`c.yml:4:83: password_file "pw/0644" is open to everyone here (mode 0644); chmod 0600 pw/0644, or 0640 with a group of its own
c.yml:6:83: password_file "pw/dir" is not a regular file, so that no password is read from it
c.yml:7:83: password_file "pw/none" does not exist; the BMC cannot be asked before it does`, warned(c)); d != "" {
		t.Error(d)
	}
}

func TestBMCsOfSeveralHosts(t *testing.T) {
	c := loadText(t, `
hosts:
  - {name: a, mac_addresses: [525400000001], ipmi: {mac_address: 5254000000a1, subnet: 10.0.0.0/24}}
  - {name: b, mac_addresses: [525400000002], ipmi: {mac_address: 5254000000a1, subnet: 10.0.1.0/24}}
  - {name: c, mac_addresses: [525400000003], ipmi: {mac_address: 5254000000a1, subnet: 10.0.1.0/24, port: 624}}
  - {name: d, mac_addresses: [525400000004], ipmi: {hostname: BMC.example, mac_address: 525400000004}}
  - {name: e, mac_addresses: [525400000005], ipmi: {hostname: bmc.example, mac_address: 525400000001}}
  - {name: f, mac_addresses: [525400000006], redfish: {url: https://bmc.example, system: "1"}}
  - {name: g, mac_addresses: [525400000007], redfish: {url: https://bmc.example, system: "2"}}
  - {name: h, mac_addresses: [525400000008], redfish: {url: https://BMC.example/redfish/v1, system: "2"}}
  - {name: i, mac_addresses: [525400000009], management: {adapter: x, mac_address: 5254000000a9, subnet: 10.0.0.0/24}}
  - {name: j, mac_addresses: [52540000000a], management: {adapter: x, mac_address: 5254000000a9, subnet: 10.0.0.0/24}}
  - {name: k, mac_addresses: [52540000000b], management: {adapter: x, mac_address: 52540000000b, subnet: 10.0.0.0/24}}
host_management_adapters: [{name: x, power_on: {cmd: a}}]
`)
	if d := cmp.Diff(`c.yml:4:66: this BMC is host "a"'s in line 3 as well; whatever is done to the power of one is done to both
c.yml:6:89: 52:54:00:00:00:04 is a card of this host as well; right only where its BMC shares that card's address
c.yml:7:63: this BMC is host "d"'s in line 6 as well; whatever is done to the power of one is done to both
c.yml:7:89: 52:54:00:00:00:01 is a card of host "a" in line 3 as well; correct one of them
c.yml:10:61: this BMC is host "g"'s in line 9 as well; whatever is done to the power of one is done to both
c.yml:13:84: 52:54:00:00:00:0b is a card of this host as well; right only where its BMC shares that card's address`, warned(c)); d != "" {
		t.Error(d)
	}
}

func TestCommandsWarnings(t *testing.T) {
	c := loadText(t, `
hosts:
  - {name: a, mac_addresses: [525400000001], management: {adapter: x, vars: [{name: usr, value: b}, {name: port, value: "1"}]}}
  - {name: b, mac_addresses: [525400000002], management: {adapter: x, vars: [{name: port, value: "2"}]}}
host_management_adapters:
  - name: x
    vars: [{name: user, value: a}, {name: other, value: b}]
    power_on: {cmd: "LOUD {{.user}} {{.port}}"}
  - {name: nobodys, vars: [{name: unused, value: a}], power_off: {cmd: "{{.unknown}}", env: {A: LOUD}}}
`)
	if d := cmp.Diff(`c.yml:3:85: variable usr is in no template of adapter "x"; did you mean user?
c.yml:7:43: variable other is in no template of adapter "x"
c.yml:8:21: power_on.cmd is loud
c.yml:9:97: power_off.env.A is loud`, warned(c)); d != "" {
		t.Error(d)
	}
}

// Ten thousand hosts of one adapter are a few cases, not ten thousand.
func TestCommandsAreAskedRarely(t *testing.T) {
	var b strings.Builder
	b.WriteString("host_management_adapters: [{name: x, power_on: {cmd: \"{{.outlet}}\"}}]\nhosts:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  - {name: h%d, mac_addresses: [52540000%04x], management: {adapter: x, vars: [{name: outlet, value: \"%[1]d\"}]}}\n", i, i)
	}
	asked := 0
	counting := Commands{Adapter: words.Adapter, Host: func(a pxepilot.Adapter, vars []pxepilot.Var, address bool) []Remark {
		asked++
		return words.Host(a, vars, address)
	}}
	if _, err := Load(write(t, "c.yml", b.String()+site), WithCommands(counting)); err != nil {
		t.Fatal(err)
	}
	if asked > 5 {
		t.Errorf("asked %d times", asked)
	}
}

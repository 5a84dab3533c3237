package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pxe-pilot/pxe-pilot"
)

// equal makes configurations comparable.
var equal = cmp.Options{
	cmp.Comparer(pxepilot.Secret.Equal),
	cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}),
}

func mac(t *testing.T, s string) pxepilot.MAC {
	t.Helper()
	m, err := pxepilot.ParseMAC(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// write makes files in a new directory and returns the path of the first.
func write(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, files[0])
}

// site is what every file needs besides its hosts.
const site = `
tftp: {root: /srv/tftp}
configuration: {directory: /srv/tftp/configurations}
`

func TestSeed(t *testing.T) {
	got, err := Load("testdata/seed.yml")
	if err != nil {
		t.Fatal(err)
	}
	got.Warnings = nil // the mode of the file is the checkout's
	want := &Config{
		Path:  "testdata/seed.yml",
		Files: []string{"testdata/seed.yml"},
		Hosts: []*pxepilot.Host{
			{Name: "h1", MACs: []pxepilot.MAC{mac(t, "00:00:00:00:00:01")}},
			{Name: "h2", MACs: []pxepilot.MAC{mac(t, "00:00:00:00:00:02")}, IPMI: &pxepilot.IPMI{
				MAC:         mac(t, "00:00:00:00:00:a2"),
				Subnets:     []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")},
				Port:        623,
				Credentials: pxepilot.Credentials{Username: "user", Password: pxepilot.NewSecret("pass")},
				Interface:   "lanplus",
				CipherSuite: -1,
			}},
			{Name: "h3", MACs: []pxepilot.MAC{mac(t, "00:00:00:00:00:03"), mac(t, "00:00:00:00:00:33")}},
		},
		TFTP:          TFTP{Root: "/var/tftp"},
		Configuration: Configuration{Directory: "/var/tftp/pxelinux.cfg/conf"},
		Server:        Server{Port: 3478, Boot: true},
		State:         State{Required: true, Keep: 17520 * time.Hour, MaxSize: 1_000_000_000},
	}
	if d := cmp.Diff(want, got, equal); d != "" {
		t.Error(d)
	}
}

const reference = "../../packaging/pxe-pilot.yml"

func TestReference(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, "pxe-pilot.yml", string(text), "secrets/bmc", "hunter2\n")
	got, err := Load(path, WithCommands(words))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Warnings) > 0 {
		t.Error("warnings:", got.Warnings)
	}
	for _, v := range got.Adapters[0].Vars {
		if pxepilot.SecretName(v.Name) {
			t.Errorf("%s stands in a file that everybody may read", v.Name)
		}
	}
	credentials := pxepilot.Credentials{Username: "admin", PasswordFile: filepath.Join(filepath.Dir(path), "secrets/bmc")}
	want := &pxepilot.Host{
		Name:         "web1",
		MACs:         []pxepilot.MAC{mac(t, "525400000001"), mac(t, "525400000101")},
		IdentityMACs: []pxepilot.MAC{mac(t, "0200000000b0")},
		Labels:       map[string]string{"rack": "12", "role": "web"},
		Bootloaders:  []string{"pxelinux"},
		Firmware:     pxepilot.BIOS,
		Serial:       "5CG1234XYZ",
		IP:           netip.MustParseAddr("10.0.0.11"),
		IPMI: &pxepilot.IPMI{
			Hostname: "web1-bmc.example.net", Port: 623, Interface: "lanplus", CipherSuite: 17, Credentials: credentials,
		},
	}
	want.UUID, _ = pxepilot.ParseUUID("4c4c4544-0035-3010-8048-b4c04f333732")
	if d := cmp.Diff(want, got.Hosts[0], equal); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(&pxepilot.Redfish{
		URL: "https://app1-bmc.example.net", Credentials: credentials,
		Fingerprint: "3fa10c5e7790b2d4186bcc039de144258af6701b52c9ee3d0794ab60d81f3285",
	}, got.Hosts[2].Redfish, equal); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(&pxepilot.Management{
		Adapter: "strip", Address: "10.0.8.20", Vars: []pxepilot.Var{{Name: "outlet", Value: pxepilot.NewSecret("7")}},
	}, got.Hosts[3].Management, equal); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(&pxepilot.WakeOnLAN{Broadcast: netip.MustParseAddr("10.0.0.255")}, got.Hosts[4].WakeOnLAN, equal); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]pxepilot.Bootloader{
		{Name: "pxelinux", File: "pxelinux.0", ConfigPath: "pxelinux.cfg/"},
		{Name: "efi", Kind: "grub"},
	}, got.Configuration.Bootloaders); d != "" {
		t.Error(d)
	}
}

// What the reference file shows as a setting that is not in force must be right
// as well, and it must show every key.
func TestReferenceIsWhole(t *testing.T) {
	data, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	off := regexp.MustCompile(`(?m)^( *)#([a-z])`)
	text := off.ReplaceAllString(string(data), "$1$2")
	for _, other := range []string{
		`      password_file: secrets/bmc`, `      password_env: BMC_PASSWORD`,
		`      ca_file: tls/bmc-ca.pem`, `      insecure: true`, `      interface: eth0`,
	} {
		if !strings.Contains(text, other+"\n") {
			t.Errorf("the reference file does not show %s", other)
		}
		text = strings.Replace(text, other+"\n", "", 1)
	}
	got, err := Load(write(t, "pxe-pilot.yml", text, "hosts.d/a.yml", "hosts: []"), WithCommands(words))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(got.Path)
	if d := cmp.Diff(Server{
		Port: 3478, Address: "127.0.0.1", AllowedHosts: []string{"pxe.example.net"}, Boot: true,
		TLS: &TLS{Certificate: filepath.Join(dir, "tls/server.pem"), Key: filepath.Join(dir, "tls/server.key")},
	}, got.Server); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"10.0.0.2:69", "tftp2.example.net:69"}, got.TFTP.Addresses); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Deploy{AfterSwitch: "/usr/local/sbin/push-tftp"}, got.Deploy); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"boot/grub/grub.cfg-01-{mac}"}, got.Configuration.Bootloaders[1].Links); d != "" {
		t.Error(d)
	}
	for _, key := range allKeys(t) {
		if !regexp.MustCompile(`(?m)^[ #-]*` + key + `:|\b` + key + ` says the same`).Match(data) {
			t.Errorf("the reference file does not show %s", key)
		}
	}
}

// allKeys are those that the messages about unknown keys name.
func allKeys(t *testing.T) []string {
	t.Helper()
	_, err := Load(write(t, "c.yml", `
qqqqqqqqqqqq: 1
hosts:
  - {name: a, mac_addresses: [525400000001], qqqqqqqqqqqq: 1, ipmi: {hostname: b, qqqqqqqqqqqq: 1}}
  - {name: b, mac_addresses: [525400000002], redfish: {url: "https://b", qqqqqqqqqqqq: 1}}
  - {name: c, mac_addresses: [525400000003], management: {adapter: a, qqqqqqqqqqqq: 1, vars: [{name: b, value: c, qqqqqqqqqqqq: 1}]}}
  - {name: d, mac_addresses: [525400000004], wol: {broadcast: 10.0.0.255, qqqqqqqqqqqq: 1}}
host_management_adapters:
  - name: a
    qqqqqqqqqqqq: 1
    power_status: {cmd: a, pattern_on: a, pattern_off: b, qqqqqqqqqqqq: 1}
    power_on: {cmd: a, qqqqqqqqqqqq: 1}
tftp: {root: /a, qqqqqqqqqqqq: 1}
deploy: {qqqqqqqqqqqq: 1}
configuration: {directory: /a/b, qqqqqqqqqqqq: 1, bootloaders: [{name: grub, qqqqqqqqqqqq: 1}]}
server: {qqqqqqqqqqqq: 1, tls: {certificate: a, key: b, qqqqqqqqqqqq: 1}}
`))
	if err == nil {
		t.Fatal("no error")
	}
	var keys []string
	for _, line := range strings.Split(err.Error(), "\n") {
		_, list, ok := strings.Cut(line, "; want ")
		if !ok {
			t.Fatal(line)
		}
		keys = append(keys, strings.Split(list, ", ")...)
	}
	if len(keys) < 82 {
		t.Fatalf("only %d keys", len(keys))
	}
	return keys
}

func TestTextStaysAsTyped(t *testing.T) {
	got, err := Load(write(t, "c.yml", `
hosts:
  - name: 012
    mac_addresses: [00:00:00:00:00:01, 00-00-00-00-00-02, 0000.0000.0003, 000000000004, 00:AA:00:00:00:05]
    serial: 0123
  - name: yes
    mac_addresses:
      - 525400123456
    labels: {rack: 07, on: off, empty: "", hex: 0x1f, date: 2026-01-02}
  - {name: 1e3, mac_addresses: [12:34:56:12:34:56]}
  - {name: 525400123456, mac_addresses: [020000000001]}
  - {name: "null", mac_addresses: [52:54:00:00:00:09], ip: "::ffff:10.0.0.1"}
`+site))
	if err != nil {
		t.Fatal(err)
	}
	want := []*pxepilot.Host{
		{Name: "012", Serial: "0123", MACs: []pxepilot.MAC{{5: 1}, {5: 2}, {5: 3}, {5: 4}, {1: 0xaa, 5: 5}}},
		{Name: "yes", MACs: []pxepilot.MAC{{0x52, 0x54, 0, 0x12, 0x34, 0x56}},
			Labels: map[string]string{"rack": "07", "on": "off", "empty": "", "hex": "0x1f", "date": "2026-01-02"}},
		{Name: "1e3", MACs: []pxepilot.MAC{{0x12, 0x34, 0x56, 0x12, 0x34, 0x56}}},
		{Name: "525400123456", MACs: []pxepilot.MAC{{0: 2, 5: 1}}},
		{Name: "null", MACs: []pxepilot.MAC{{0x52, 0x54, 0, 0, 0, 9}}, IP: netip.MustParseAddr("10.0.0.1")},
	}
	if d := cmp.Diff(want, got.Hosts, equal); d != "" {
		t.Error(d)
	}
}

func TestAliasesAndMergeKeys(t *testing.T) {
	got, err := Load(write(t, "c.yml", `
hosts:
  - name: a
    mac_addresses: [52:54:00:00:00:01]
    labels: &web {role: web, rack: r1}
    ipmi: &bmc
      hostname: a-bmc
      username: &who admin
      password: secret
  - name: b
    mac_addresses: [52:54:00:00:00:02]
    labels: {<<: *web, rack: r2}
    ipmi:
      <<: *bmc
      hostname: b-bmc
  - name: c
    mac_addresses: [52:54:00:00:00:03]
    serial: *who
    ipmi: {<<: [{hostname: c-bmc}, *bmc]}
`+site))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, h := range got.Hosts {
		all = append(all, fmt.Sprintf("%s %s %s %s %v %s", h.Name, h.IPMI.Hostname, h.IPMI.Username, h.IPMI.Password.Reveal(), h.Labels, h.Serial))
	}
	want := []string{
		"a a-bmc admin secret map[rack:r1 role:web] ",
		"b b-bmc admin secret map[rack:r2 role:web] ",
		"c c-bmc admin secret map[] admin",
	}
	if d := cmp.Diff(want, all); d != "" {
		t.Error(d)
	}
}

func TestIPMIWays(t *testing.T) {
	got, err := Load(write(t, "c.yml", `
hosts:
  - {name: a, mac_addresses: [525400000001], ipmi: {ip_address: "fd00::1", port: "6230", password_env: BMC_PW, cipher_suite: 3}}
  - {name: b, mac_addresses: [525400000002], ipmi: {mac_address: 525400000003, subnet: 10.0.0.0/16, password_file: /run/pw}}
  - {name: c, mac_addresses: [525400000004], ipmi: {mac_address: 525400000003, hostname: bmc_1.example}}
  - {name: d, mac_addresses: [525400000005], ipmi: {mac_address: 525400000003, subnets: [10.0.0.0/16, 192.168.0.0/24], hostname: d}}
`+site))
	if err != nil {
		t.Fatal(err)
	}
	ipmi := func(f func(b *pxepilot.IPMI)) *pxepilot.IPMI {
		b := &pxepilot.IPMI{Port: 623, Interface: "lanplus", CipherSuite: -1, MAC: mac(t, "525400000003")}
		f(b)
		return b
	}
	a, b := netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("192.168.0.0/24")
	want := []*pxepilot.IPMI{
		{Hostname: "fd00::1", Port: 6230, Credentials: pxepilot.Credentials{PasswordEnv: "BMC_PW"}, Interface: "lanplus", CipherSuite: 3},
		ipmi(func(i *pxepilot.IPMI) { i.Subnets, i.PasswordFile = []netip.Prefix{a}, "/run/pw" }),
		ipmi(func(i *pxepilot.IPMI) { i.Hostname = "bmc_1.example" }),
		ipmi(func(i *pxepilot.IPMI) { i.Hostname, i.Subnets = "d", []netip.Prefix{a, b} }),
	}
	for i, h := range got.Hosts {
		if d := cmp.Diff(want[i], h.IPMI, equal); d != "" {
			t.Error(h.Name, d)
		}
	}
}

func TestServerBoot(t *testing.T) {
	const site = "hosts: []\ntftp: {root: /srv/tftp}\nconfiguration: {directory: /srv/tftp/c}\n"
	for server, want := range map[string]bool{"": true, "server: {port: 1}": true, "server: {boot: true}": true, "server: {boot: false}": false} {
		got, err := Load(write(t, "c.yml", site+server))
		if err != nil || got.Server.Boot != want {
			t.Errorf("%s: %v, %v", server, got.Server.Boot, err)
		}
	}
}

package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTFTPAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.2":           "10.0.0.2:69",
		"10.0.0.2:6969":      "10.0.0.2:6969",
		"TFTP.example.net":   "tftp.example.net:69",
		"tftp_2:6969":        "tftp_2:6969",
		"2001:DB8::2":        "[2001:db8::2]:69",
		"[2001:db8::2]":      "[2001:db8::2]:69",
		"[2001:db8::2]:6969": "[2001:db8::2]:6969",
		"host:":              "",
		":69":                "",
		"host:0":             "",
		"host:069":           "",
		"host:65536":         "",
		"host:tftp":          "",
		"[host]":             "",
		"[host]:69":          "",
		"[::1":               "",
		"::1]":               "",
		"::1]:69":            "",
		"a:b:c":              "",
		"a b":                "",
		"10.0.0.300":         "",
		"10.0.0.300:6969":    "",
		"10.0.0.2.":          "",
		"10":                 "",
		"10.example.net":     "10.example.net:69",
		"tftp://host":        "",
		"":                   "",
	} {
		if got, ok := withPort(address); got != want || ok != (want != "") {
			t.Errorf("%q is %q (%t), want %q", address, got, ok, want)
		}
	}
}

func TestDeploy(t *testing.T) {
	got, err := Load(write(t, "c.yml", `
hosts: []
deploy: {verify: true, after_switch: "rsync -a /srv/tftp/ other::tftp"}
tftp: {root: /srv/tftp, address: 10.0.0.2}
configuration: {directory: /srv/tftp/configurations}
`), WithCommands(words))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Deploy{Verify: true, AfterSwitch: "rsync -a /srv/tftp/ other::tftp"}, got.Deploy); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"10.0.0.2:69"}, got.TFTP.Addresses); d != "" {
		t.Error(d)
	}
}

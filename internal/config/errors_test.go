package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// told is what Load says about the files, without their directory.
func told(t *testing.T, files ...string) string {
	t.Helper()
	path := write(t, files...)
	return toldOf(t, path)
}

func toldOf(t *testing.T, path string) string {
	t.Helper()
	c, err := Load(path, WithCommands(words))
	var all Errors
	if !errors.As(err, &all) {
		t.Fatalf("got %v and %v; want Errors", c, err)
	}
	if c == nil || c.Path != path || len(c.Files) == 0 || c.Hosts != nil {
		t.Errorf("with an error came %+v; want only what to watch", c)
	}
	return strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "")
}

func TestErrors(t *testing.T) {
	data, err := os.ReadFile("testdata/errors.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range strings.Split(string(data), "\n=== ")[1:] {
		name, c, _ := strings.Cut(c, "\n")
		t.Run(name, func(t *testing.T) {
			text, want, ok := strings.Cut(c, ">>>\n")
			if !ok {
				t.Fatal("no >>>")
			}
			if d := cmp.Diff(strings.TrimSpace(want), told(t, "c.yml", text)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestErrorsOfBytes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "c.yml: is empty; see the reference file for what it needs",
		"\xff\xfeh\x00o\x00":                 "c.yml:1:1: is UTF-16; save it as UTF-8",
		"hosts:\n  - name: a\xe9b\n":         "c.yml:2:12: is not UTF-8 here; save it as UTF-8",
		"hosts: [{name: \"a\x07b\"}]\n":      "c.yml:1:18: has the control character U+0007 here; remove it",
		"\ufeffhosts:\n# \u00e9\n- \x00\n":   "c.yml:3:3: has the control character U+0000 here; remove it",
		"hosts: " + strings.Repeat("[", 100): "c.yml:1:72: nested deeper than any configuration; is it the right file?",
	} {
		if got := told(t, "c.yml", text); got != want {
			t.Errorf("%q: got %s; want %s", text, got, want)
		}
	}
}

// What stands under a key of a password is in no message, whatever is wrong
// with it or around it.
func TestNoMessageTellsASecret(t *testing.T) {
	const secret = "hunter2"
	for _, value := range []string{
		"*hunter2", "@hunter2", "!hunter2", "!!int hunter2", "&hunter2", "[hunter2]", "{hunter2: hunter2}", "%hunter2", "`hunter2",
		"hunter2: hunter2", "\"hunter2", "'hunter2", "\"hunter2\\q\"", "hunter2hunter2hunter2", "\"hunter2\\0\"", "|hunter2", ">\nhunter2",
		"!<hunter2> a", "!hunter2!a b", "- hunter2", "? hunter2", "\thunter2 : a", "hunter2 #\n  x", "&a *hunter2",
	} {
		host := "hosts:\n  - name: h1\n    mac_addresses: [525400000001]\n    "
		for _, under := range []string{
			host + "ipmi:\n      hostname: a\n      password", host + "ipmi:\n      hostname: a\n      password_file",
			host + "ipmi:\n      hostname: a\n      password_env", host + "ipmi:\n      hostname: a\n      pasword",
			host + "redfish:\n      url: https://a\n      username: b\n      password", host + "redfish:\n      url",
			host + "redfish:\n      fingerprint",
			host + "management:\n      adapter: a\n      vars:\n      - name: b\n        value",
			"host_management_adapters:\n  - name: a\n    vars:\n    - name: b\n      value",
			"host_management_adapters:\n  - name: a\n    power_on:\n      cmd", "host_management_adapters:\n  - name: a\n    power_on:\n      stdin",
			"host_management_adapters:\n  - name: a\n    power_on:\n      cmd: a\n      env:\n        B",
		} {
			indent, key := "", under[strings.LastIndexByte(under, '\n')+1:]
			for strings.HasPrefix(key, " ") {
				indent, key = indent+" ", key[1:]
			}
			text := under + ": " + value + "\n" + indent + key + ": hunter2\n" + site
			_, err := Load(write(t, "c.yml", text))
			if err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %s: %v", under, value, err)
			}
		}
	}
}

func TestWarnings(t *testing.T) {
	path := write(t, "c.yml", `
hosts:
  - name: h1
    mac_addresses: [525400000001]
    uuid: 00000000-0000-0000-0000-000000000000
    ipmi: {mac_address: 5254000000a1, subnets: 10.0.0.0/8, password: secret}
`+site)
	for mode, first := range map[os.FileMode]string{
		0o600: "",
		0o640: "",
		0o644: "c.yml: holds a password and is open to everyone here (mode 0644); chmod 0600 c.yml, or 0640 with a group of its own\n",
		0o602: "c.yml: holds a password and is open to everyone here (mode 0602); chmod 0600 c.yml, or 0640 with a group of its own\n",
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		want := first + `c.yml:5:11: this uuid is what virtual machines without one report; it is taken as none
c.yml:6:48: 10.0.0.0/8 is larger than a /16, and looking for a BMC in it takes long; name a smaller one`
		got := strings.ReplaceAll(Errors(c.Warnings).Error(), filepath.Dir(path)+"/", "")
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
}

// Whoever mends errors sees the warnings as well.
func TestWarningsBesideErrors(t *testing.T) {
	c, err := Load(write(t, "c.yml", `
hosts:
  - {name: h1, mac_addresses: [525400000001], uuid: 00000000-0000-0000-0000-000000000000, colour: red}
`+site))
	if err == nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Message, "this uuid is what virtual machines") {
		t.Errorf("%v; warnings %v", err, c.Warnings)
	}
}

func TestByteOrderMarkIsNoError(t *testing.T) {
	if _, err := Load(write(t, "c.yml", "\ufeffhosts: []"+site)); err != nil {
		t.Error(err)
	}
	if _, err := Load(write(t, "c.yml", strings.ReplaceAll("hosts: []"+site, "\n", "\r\n"))); err != nil {
		t.Error("CRLF:", err)
	}
}

func TestAliasBombs(t *testing.T) {
	var list strings.Builder
	list.WriteString("hosts:\n  - &h {name: h1, mac_addresses: [525400000001], labels: &l {")
	for i := range 2000 {
		fmt.Fprintf(&list, "a%d: b, ", i)
	}
	list.WriteString("c: d}}\n")
	for range 2000 {
		list.WriteString("  - *h\n")
	}
	billion := "hosts:\n  - &a {name: a}\n  - &b {<<: [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]}\n"
	for c := 'b'; c < 'k'; c++ {
		billion += "  - &" + string(c+1) + " {<<: [" + strings.Repeat("*"+string(c)+", ", 9) + "*" + string(c) + "]}\n"
	}
	for name, text := range map[string]string{"hosts": list.String(), "merges": billion} {
		got := told(t, "c.yml", text+site)
		if !strings.Contains(got, "the aliases make this file more than ten times as long") {
			t.Errorf("%s: %.300s", name, got)
		}
	}
}

func TestManyErrorsAreCut(t *testing.T) {
	var b strings.Builder
	b.WriteString("hosts:\n")
	for range 30_000 {
		b.WriteString("  - nam: a\n")
	}
	_, err := Load(write(t, "c.yml", b.String()+site))
	var all Errors
	if !errors.As(err, &all) {
		t.Fatal(err)
	}
	if got, want := all[len(all)-1].Message, "and 59000 more like these; mend those above first"; len(all) != mostProblems+1 || got != want {
		t.Errorf("%d errors, the last is %s", len(all), got)
	}
}

package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

const (
	h1 = `{"name":"h1","macAddresses":["00:00:00:00:00:01"],"configuration":null,"state":"none","canonical":true,
		"links":[{"bootloader":"pxelinux","macAddress":"00:00:00:00:00:01","path":"pxelinux.cfg/01-00-00-00-00-00-01","state":"none"}]}`
	h2 = `{"name":"h2","macAddresses":["00:00:00:00:00:02"],"configuration":{"name":"ubuntu-16.04"},"state":"configured","canonical":true,
		"links":[{"bootloader":"pxelinux","macAddress":"00:00:00:00:00:02","path":"pxelinux.cfg/01-00-00-00-00-00-02",
			"target":"conf/ubuntu-16.04","state":"configured","configuration":"ubuntu-16.04"}],
		"ipmi":{"macAddress":"00:00:00:00:00:a2"}}`
	h3 = `{"name":"h3","macAddresses":["00:00:00:00:00:03","00:00:00:00:00:33"],"configuration":{"name":"local"},"state":"configured","canonical":true,
		"links":[{"bootloader":"pxelinux","macAddress":"00:00:00:00:00:03","path":"pxelinux.cfg/01-00-00-00-00-00-03",
			"target":"conf/local","state":"configured","configuration":"local"},
		{"bootloader":"pxelinux","macAddress":"00:00:00:00:00:33","path":"pxelinux.cfg/01-00-00-00-00-00-33",
			"target":"01-00-00-00-00-00-03","state":"configured","configuration":"local","through":["pxelinux.cfg/01-00-00-00-00-00-03"]}]}`
)

func TestSeed(t *testing.T) {
	l, _ := newSeed(t)
	for _, tt := range []struct{ target, want string }{
		{"/v1/configurations", `{"configurations":[{"name":"grml-2017.05"},{"name":"local"},{"name":"ubuntu-16.04"}]}`},
		{"/v1/configurations/local", `{"name":"local","content":"DEFAULT local\nLABEL local\n  LOCALBOOT 0\n"}`},
		{"/v1/configurations/grml-2017.05?bootloader=pxelinux", `{"name":"grml-2017.05","content":"DEFAULT grml <é>\n"}`},
		{"/v1/configurations/grml%2d2017.05?bootloader=", `{"name":"grml-2017.05","content":"DEFAULT grml <é>\n"}`},
		{"/v1/hosts", "[" + h1 + "," + h2 + "," + h3 + "]"},
		{"/v1/hosts?status=false", "[" + h1 + "," + h2 + "," + h3 + "]"},
		{"/v1/hosts?status=true", "[" + h1 + "," + h2 + "," + h3 + "]"},
		{"/v1/hosts/h1", h1},
		{"/v1/hosts/h2", h2},
		{"/v1/hosts/00:00:00:00:00:33", h3},
		{"/v1/hosts/00-00-00-00-00-33", h3},
		{"/v1/hosts/000000000033", h3},
		{"/v1/bootloaders", `{"bootloaders":[]}`},
		{"/v1/health", `{"status":"ok"}`},
	} {
		got := l.ask("GET", tt.target, "")
		if got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("GET %s: %d, %s", tt.target, got.StatusCode, got.Header.Get("Content-Type"))
		}
		sameJSON(t, "GET "+tt.target, got.body, tt.want)
		head := l.ask("HEAD", tt.target, "")
		if head.StatusCode != http.StatusOK || head.ContentLength != int64(len(got.body)) {
			t.Errorf("HEAD %s: %d, length %d; GET has %d", tt.target, head.StatusCode, head.ContentLength, len(got.body))
		}
	}
	if got := l.ask("GET", "/v1/healthcheck", ""); got.StatusCode != http.StatusNoContent || len(got.body) > 0 {
		t.Errorf("healthcheck: %d %q", got.StatusCode, got.body)
	}
	if got := l.ask("GET", "/v1/openapi.yaml", ""); string(got.body) != string(apiv1.OpenAPI) || got.Header.Get("Content-Type") != "application/yaml" {
		t.Errorf("openapi.yaml: %d %s", got.StatusCode, got.Header.Get("Content-Type"))
	}
	if text := l.log.String(); strings.Contains(text, "pass") || strings.Contains(text, "user") {
		t.Errorf("the log tells credentials:\n%s", text)
	}
}

func sameJSON(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		t.Errorf("%s: %v in %q", what, err, got)
		return
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("%s:\n%s", what, diff)
	}
}

func TestDeclaredBootloaders(t *testing.T) {
	l, _ := newSite(t, []pxepilot.Bootloader{
		{Name: "pxelinux", File: "pxelinux.0", ConfigPath: "pxelinux.cfg/", Links: []string{"pxelinux.cfg/01-{mac}"}},
		{Name: "signed", Kind: "grub-signed", Links: []string{"grub/host/01-{mac}"}},
	}, &memory{
		variants: map[string][]pxepilot.Variant{
			"debian": {{Bootloader: "pxelinux", Content: "P"}, {Bootloader: "signed", Content: "G"}},
			"old":    {{Bootloader: "pxelinux", Content: "O"}},
		},
		loaders: []string{"pxelinux", "signed"},
		links:   map[string]string{},
	})
	for _, tt := range []struct {
		target string
		status int
		want   string
	}{
		{"/v1/bootloaders", 200, `{"bootloaders":[
			{"name":"pxelinux","file":"pxelinux.0","configPath":"pxelinux.cfg/","links":["pxelinux.cfg/01-{mac}"]},
			{"name":"signed","kind":"grub-signed","links":["grub/host/01-{mac}"]}]}`},
		{"/v1/configurations", 200, `{"configurations":[{"name":"debian","bootloaders":["pxelinux","signed"]},{"name":"old","bootloaders":["pxelinux"]}]}`},
		{"/v1/configurations/debian", 200, `{"name":"debian","content":"P","variants":[{"bootloader":"pxelinux","content":"P"},{"bootloader":"signed","content":"G"}]}`},
		{"/v1/configurations/old", 200, `{"name":"old","content":"O","variants":[{"bootloader":"pxelinux","content":"O"}]}`},
		{"/v1/configurations/debian?bootloader=signed", 200, `{"name":"debian","content":"G"}`},
		{"/v1/configurations/debian?bootloader=singed", 404, `{"message":"configuration \"debian\" has no variant for bootloader \"singed\"; did you mean signed?"}`},
	} {
		got := l.ask("GET", tt.target, "")
		if got.StatusCode != tt.status {
			t.Errorf("%s: %d", tt.target, got.StatusCode)
		}
		sameJSON(t, tt.target, got.body, tt.want)
	}
}

func TestHealth(t *testing.T) {
	var reload error
	root := &memory{t: t, loaders: []string{"pxelinux"}, links: map[string]string{}}
	site := &pilot.Site{Inventory: seedHosts(t), Root: root}
	l := newLab(t, pilot.New(func() *pilot.Site { return site }, func() error { return reload }, pilot.Options{}))
	for _, tt := range []struct {
		name         string
		reload, root error
		check        int
		want         string
	}{
		{"well", nil, nil, 204, `{"status":"ok"}`},
		{"a failed reload is no reason to restart", errors.New("line 3, column 1: unknown key hots\nline 4, column 1: unknown key x"), nil, 204,
			`{"status":"degraded","reload":"line 3, column 1: unknown key hots line 4, column 1: unknown key x"}`},
		{"no root", nil, pxepilot.Errorf(pxepilot.Unavailable, "/var/tftp is gone"), 503, `{"status":"failing","root":"/var/tftp is gone"}`},
		{"internals", nil, errors.New("0xdeadbeef"), 503, `{"status":"failing","root":"internal error; the server's log has the details"}`},
		{"both", errors.New("no"), pxepilot.Errorf(pxepilot.Unavailable, "gone"), 503, `{"status":"failing","reload":"no","root":"gone"}`},
	} {
		reload, root.err = tt.reload, tt.root
		got := l.ask("GET", "/v1/healthcheck", "")
		if got.StatusCode != tt.check {
			t.Errorf("%s: healthcheck %d", tt.name, got.StatusCode)
		}
		if tt.check == 503 {
			if got.Header.Get("Retry-After") != "5" || !strings.HasPrefix(got.message(t), "the TFTP root cannot be read: ") {
				t.Errorf("%s: healthcheck %s", tt.name, got.body)
			}
		}
		health := l.ask("GET", "/v1/health", "")
		if health.StatusCode != 200 {
			t.Errorf("%s: health %d", tt.name, health.StatusCode)
		}
		sameJSON(t, tt.name, health.body, tt.want)
	}
	if !strings.Contains(l.log.String(), "0xdeadbeef") {
		t.Error("the cause is not in the log")
	}
}

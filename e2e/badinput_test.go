package e2e

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// Whatever a client sends that is wrong: one clear line, the right code, and
// nothing changed.
func TestBadInput(t *testing.T) {
	hosts := lab.Hosts(3, 2)
	site := newSite(t, hosts...)
	server := site.Serve(t)
	deploy(t, server, "local", hosts[0], hosts[1])
	lab.Write(t, site.Link(hosts[2].MACs[0]), "somebody's own file\n")
	before := lab.Tree(t, site.Root)

	const deployLocal = "/v1/configurations/local/deploy"
	long := strings.Repeat("x", 10_000)
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"unknown configuration", "PUT", "/v1/configurations/locl/deploy", `{"hosts":[{"name":"h1"}]}`, 404, `"locl" not found; did you mean local?`},
		{"unknown host", "PUT", deployLocal, `{"hosts":[{"name":"h1"},{"name":"h9"}]}`, 404, `"h9" not found`},
		{"unknown MAC", "PUT", deployLocal, `{"hosts":[{"mac_address":"83:06:0a:00:cf:03"}]}`, 404, "83:06:0a:00:cf:03"},
		{"no JSON", "PUT", deployLocal, "{\"hosts\":\n [}", 400, "line 2, column 3"},
		{"cut off", "PUT", deployLocal, `{"hosts":[{"name":"h1"}`, 400, "line 1, column 24"},
		{"no body", "PUT", deployLocal, "", 400, "the body is empty"},
		{"more than one value", "PUT", deployLocal, `{"hosts":[{"name":"h1"}]} {}`, 400, "line 1, column 27"},
		{"no hosts", "PUT", deployLocal, `{"hosts":[]}`, 400, "no host"},
		{"no list", "PUT", deployLocal, `{}`, 400, "no host"},
		{"an empty host", "PUT", deployLocal, `{"hosts":[{}]}`, 400, "neither a name nor a mac_address"},
		{"unknown field", "PUT", deployLocal, `{"hosts":[{"name":"h1"}],"reboot_now":true}`, 400, "reboot_now"},
		{"unknown field of a host", "PUT", deployLocal, `{"hosts":[{"nam":"h1"}]}`, 400, "did you mean name?"},
		{"twice", "PUT", deployLocal, `{"hosts":[{"name":"h1"},{"name":"h1"}]}`, 409, "twice"},
		{"twice, by MAC", "PUT", deployLocal, `{"hosts":[{"name":"h1"},{"mac_address":"52-54-00-01-00-01"}]}`, 409, "twice"},
		{"name and MAC disagree", "PUT", deployLocal, `{"hosts":[{"name":"h1","mac_address":"52:54:00:00:00:02"}]}`, 409, `"h2"`},
		{"no MAC", "PUT", deployLocal, `{"hosts":[{"mac_address":"52:54"}]}`, 400, "MAC"},
		{"somebody's file", "PUT", deployLocal, `{"hosts":[{"name":"h1"},{"name":"h3"}]}`, 409, "--force"},
		{"clear of somebody's file", "PUT", "/v1/clear", `{"hosts":[{"name":"h2"},{"name":"h3"}]}`, 409, "--force"},
		{"a name with a slash", "PUT", "/v1/configurations/" + url.PathEscape("../../etc/passwd") + "/deploy", `{"hosts":[{"name":"h1"}]}`, 400, "contains a slash"},
		{"dots", "PUT", "/v1/configurations/%2e%2e/deploy", `{"hosts":[{"name":"h1"}]}`, 400, `".."`},
		{"NUL", "GET", "/v1/configurations/lo%00cal", "", 400, "control character"},
		{"newline", "GET", "/v1/configurations/lo%0acal", "", 400, "control character"},
		{"newline in JSON", "PUT", deployLocal, `{"hosts":[{"name":"h1\nh2"}]}`, 400, "control character"},
		{"host of dots", "PUT", deployLocal, `{"hosts":[{"name":".."}]}`, 400, ".."},
		{"10 kB name in the path", "GET", "/v1/configurations/" + long, "", 400, "longer than 255 bytes"},
		{"10 kB name in JSON", "PUT", deployLocal, `{"hosts":[{"name":"` + long + `"}]}`, 400, "longer than 255 bytes"},
		{"not UTF-8", "PUT", deployLocal, "{\"hosts\":[{\"name\":\"h\xff\"}]}", 400, "UTF-8"},
		{"unknown path", "GET", "/v1/machines", "", 404, "/v1/openapi.yaml"},
		{"unknown parameter", "GET", "/v1/hosts?stauts=false", "", 400, "stauts"},
		{"all and some", "PUT", "/v1/repair", `{"all":true,"hosts":[{"name":"h1"}]}`, 409, "leave one out"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, tt.method, server.URL+tt.path, tt.body)
			if got.status != tt.status {
				t.Errorf("status %d, want %d", got.status, tt.status)
			}
			if says := got.message(t); !strings.Contains(says, tt.says) {
				t.Errorf("it says %q, want %q in it", says, tt.says)
			}
			if strings.Contains(got.body, site.Root) {
				t.Errorf("the client is told where the root is: %s", got.body)
			}
		})
	}
	if diff := cmp.Diff(before, lab.Tree(t, site.Root)); diff != "" {
		t.Errorf("something changed:\n%s", diff)
	}
	if found := strings.Count(server.Said(), "panic"); found > 0 {
		t.Errorf("the server panicked %d times", found)
	}
}

// A configuration that is deleted between a list and a deploy.
func TestConfigurationDeleted(t *testing.T) {
	host := lab.Hosts(1, 2)[0]
	site := newSite(t, host)
	server := site.Serve(t)
	deploy(t, server, "local", host)
	if _, err := server.Client.Configurations(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(site.Conf, "install")); err != nil {
		t.Fatal(err)
	}
	before := lab.Tree(t, site.Root)
	got := ask(t, "PUT", server.URL+"/v1/configurations/install/deploy", fmt.Sprintf(`{"hosts":[{"name":%q}]}`, host.Name))
	if says := got.message(t); got.status != 404 || !strings.Contains(says, `"install" not found`) {
		t.Errorf("status %d: %s", got.status, says)
	}
	if diff := cmp.Diff(before, lab.Tree(t, site.Root)); diff != "" {
		t.Errorf("something changed:\n%s", diff)
	}
}

// A file that stands where a link belongs is kept under another name, when that
// is asked for.
func TestForce(t *testing.T) {
	host := lab.Hosts(1, 2)[0]
	site := newSite(t, host)
	server := site.Serve(t)
	lab.Write(t, site.Link(host.MACs[1]), "by hand\n")
	if got := ask(t, "GET", server.URL+"/v1/hosts/h1", ""); !strings.Contains(got.body, `"state":"unmanaged"`) {
		t.Errorf("the host is %s", got.body)
	}
	lab.PxePilot(t, "-s", server.URL, "config", "deploy", "local", host.Name, "--force")
	if got, err := boot(site, host); err != nil || got != "local" {
		t.Errorf("the host boots %q (%v)", got, err)
	}
	kept, err := filepath.Glob(site.Link(host.MACs[1]) + ".orig-*")
	if err != nil || len(kept) != 1 || lab.Read(t, kept[0]) != "by hand\n" {
		t.Errorf("kept: %q (%v)", kept, err)
	}
}

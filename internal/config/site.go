package config

import (
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// site is the top level of the configuration file.
func (r *reader) site() fields {
	return fields{
		{key: "hosts", read: r.hostList},
		{key: "hosts_directory", read: func(v *yaml.Node) {
			if s, ok := r.word(v, "hosts_directory"); ok {
				r.config.HostsDirectory, r.hostsDirectory = r.beside(s), r.at(follow(v))
			}
		}},
		{key: "host_management_adapters", read: func(v *yaml.Node) {
			r.list(v, "host_management_adapters", "a list of adapters", r.adapter)
		}},
		{key: "tftp", read: r.tftp},
		{key: "configuration", read: r.configuration},
		{key: "deploy", read: r.deploy},
		{key: "server", read: r.server},
		{key: "state", read: func(v *yaml.Node) { r.state(v, "state") }},
	}
}

func (r *reader) tftp(n *yaml.Node) {
	t := &r.config.TFTP
	f := fields{
		{key: "root", read: func(v *yaml.Node) { t.Root = r.absolute(v, "tftp.root") }},
		{key: "links", read: func(v *yaml.Node) { t.AbsoluteLinks = r.choice(v, "links", "relative", "absolute") == "absolute" }},
		{key: "address", read: r.tftpAddresses},
	}
	if r.object(n, "tftp", f) && f.at("root") == nil {
		r.wrong(n, "tftp has no root; add the directory that the TFTP server serves")
	}
}

func (r *reader) configuration(n *yaml.Node) {
	c := &r.config.Configuration
	f := fields{
		{key: "directory", read: func(v *yaml.Node) {
			c.Directory, r.directoryAt = r.absolute(v, "configuration.directory"), r.at(follow(v))
		}},
		{key: "bootloaders", read: func(v *yaml.Node) {
			r.list(v, "bootloaders", "a list such as [{name: pxelinux}, {name: grub}]", r.bootloader)
		}},
		{key: "settings", read: r.settings},
	}
	if r.object(n, "configuration", f) && f.at("directory") == nil {
		r.wrong(n, "configuration has no directory; add the one that holds the boot configurations")
	}
}

// absolute is a path that starts at the root of the file system, in its
// shortest form. Two dots are refused: they do not lead to the parent where a
// directory is a link.
func (r *reader) absolute(n *yaml.Node, what string) string {
	s, ok := r.word(n, what)
	switch {
	case !ok:
	case !path.IsAbs(s):
		r.wrong(follow(n), "%s is %s; want an absolute path", what, pxepilot.Quote(s))
	case slices.Contains(strings.Split(s, "/"), ".."):
		r.wrong(follow(n), "%s is %s; write it without \"..\"", what, pxepilot.Quote(s))
	default:
		return path.Clean(s)
	}
	return ""
}

// A loader is a declared bootloader with the places that later checks report.
type loader struct {
	layout.Loader
	at   place
	bad  bool // it has no usable links
	name string
}

func (r *reader) bootloader(n *yaml.Node) {
	var b pxepilot.Bootloader
	f := fields{
		{key: "name", read: func(v *yaml.Node) {
			b.Name = r.name(v, "name")
			if strings.HasPrefix(b.Name, ".") {
				r.wrong(follow(v), "the name %s is a hidden file's; choose another name", pxepilot.Quote(b.Name))
			}
		}},
		{key: "kind", read: func(v *yaml.Node) {
			s, _ := r.word(v, "kind")
			b.Kind = pxepilot.Kind(s)
		}},
		{key: "link", read: func(v *yaml.Node) {
			r.oneOrMore(v, "link", "one or a list such as pxelinux.cfg/01-{mac}", func(v *yaml.Node) {
				if s, ok := r.word(v, "link"); ok {
					b.Links = append(b.Links, s)
				}
			})
			if v = follow(v); v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
				r.wrong(v, "link is empty; remove the key for that of the kind")
			}
		}},
		{key: "file", read: func(v *yaml.Node) { b.File, _ = r.word(v, "file") }},
		{key: "config_path", read: func(v *yaml.Node) { b.ConfigPath, _ = r.word(v, "config_path") }},
	}
	before := len(r.problems)
	if !r.object(n, "configuration.bootloaders[]", f) {
		return
	}
	if f.at("name") == nil {
		r.wrong(n, "a bootloader without a name; add name")
	}
	l := loader{at: r.at(n), name: b.Name, bad: len(r.problems) > before}
	for _, other := range r.loaders {
		if other.name == b.Name && b.Name != "" {
			r.wrong(f.at("name"), "bootloader %s is already declared in line %d; remove one of them", pxepilot.Quote(b.Name), other.at.line)
			l.bad = true
		}
	}
	if !l.bad {
		var err error
		if l.Loader, err = layout.Compile(b); err != nil {
			r.wrong(n, "%v", err)
			l.bad = true
		}
	}
	r.loaders = append(r.loaders, l)
	r.config.Configuration.Bootloaders = append(r.config.Configuration.Bootloaders, b)
}

func (r *reader) server(n *yaml.Node) {
	s := &r.config.Server
	r.object(n, "server", fields{
		{key: "port", read: func(v *yaml.Node) { s.Port = r.number(v, "server.port", 0, 65535) }},
		{key: "address", read: func(v *yaml.Node) { s.Address, _ = r.endpoint(v, "server.address") }},
		{key: "allowed_hosts", read: func(v *yaml.Node) {
			r.list(v, "allowed_hosts", "a list of host names", func(v *yaml.Node) {
				if h, ok := r.endpoint(v, "allowed_hosts"); ok {
					s.AllowedHosts = append(s.AllowedHosts, h)
				}
			})
		}},
		{key: "boot", read: func(v *yaml.Node) { s.Boot = r.choice(v, "server.boot", "true", "false") == "true" }},
		{key: "tls", read: r.tls},
		{key: "state", read: func(v *yaml.Node) { r.state(v, "server.state") }},
	})
}

func (r *reader) tls(n *yaml.Node) {
	t := &TLS{}
	f := fields{
		{key: "certificate", read: func(v *yaml.Node) {
			if s, ok := r.word(v, "tls.certificate"); ok {
				t.Certificate = r.beside(s)
			}
		}},
		{key: "key", read: func(v *yaml.Node) {
			if s, ok := r.word(v, "tls.key"); ok {
				t.Key = r.beside(s)
			}
		}},
	}
	if !r.object(n, "server.tls", f) {
		return
	}
	for _, key := range f.keys() {
		if f.at(key) == nil {
			r.wrong(n, "tls has no %s; add the path of the PEM file", key)
		}
	}
	r.config.Server.TLS = t
}

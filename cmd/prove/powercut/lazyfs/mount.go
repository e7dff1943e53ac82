package lazyfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Mount is the disk in use.
type Mount struct {
	dir    string
	server *fuse.Server
}

// Mount shows the disk at a folder. Without /dev/fuse, or without the right to mount, the error says so: there is no
// other way to forget what was not synced.
func (d *Disk) Mount(dir string) (*Mount, error) {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		return nil, fmt.Errorf("power cuts need FUSE, and there is none: %w", err)
	}
	forever := 24 * time.Hour // every change comes through this mount
	server, err := fs.Mount(dir, &inode{d: d, n: d.root}, &fs.Options{
		MountOptions: fuse.MountOptions{DirectMount: true, AllowOther: true, FsName: "lazyfs", Name: "lazyfs", MaxWrite: 1 << 20,
			Options: []string{"default_permissions"}},
		EntryTimeout: &forever, AttrTimeout: new(time.Duration), RootStableAttr: &fs.StableAttr{Ino: d.root.ino},
	})
	if err != nil {
		return nil, fmt.Errorf("power cuts need the right to mount a FUSE file system at %s: %w", dir, err)
	}
	return &Mount{dir: dir, server: server}, nil
}

// Unmount takes the disk out of use. Whoever still has a file open keeps it from being taken: end those before.
func (m *Mount) Unmount() error { return m.server.Unmount() }

// inode is a node as go-fuse sees it.
type inode struct {
	fs.Inode
	d *Disk
	n *node
}

var _ = (interface {
	fs.NodeLookuper
	fs.NodeGetattrer
	fs.NodeSetattrer
	fs.NodeMkdirer
	fs.NodeCreater
	fs.NodeMknoder
	fs.NodeOpener
	fs.NodeReader
	fs.NodeWriter
	fs.NodeFsyncer
	fs.NodeReaddirer
	fs.NodeUnlinker
	fs.NodeRmdirer
	fs.NodeRenamer
	fs.NodeLinker
	fs.NodeSymlinker
	fs.NodeReadlinker
	fs.NodeStatfser
})((*inode)(nil))

func (n *node) attr(out *fuse.Attr) {
	out.Ino, out.Mode, out.Nlink, out.Size = n.ino, n.mode, n.links, uint64(len(n.data))
	out.Uid, out.Gid, out.Blocks, out.Blksize = n.uid, n.gid, (uint64(len(n.data))+511)/512, page
	if n.mode&syscall.S_IFMT == syscall.S_IFLNK {
		out.Size = uint64(len(n.to))
	}
	out.SetTimes(&n.changed, &n.changed, &n.changed)
}

func (i *inode) child(ctx context.Context, n *node, out *fuse.EntryOut) *fs.Inode {
	n.attr(&out.Attr)
	return i.NewInode(ctx, &inode{d: i.d, n: n}, fs.StableAttr{Mode: n.mode & syscall.S_IFMT, Ino: n.ino})
}

// Lookup is fs.NodeLookuper.
func (i *inode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	n := i.n.names[name]
	if n == nil {
		return nil, syscall.ENOENT
	}
	return i.child(ctx, n, out), 0
}

// Getattr is fs.NodeGetattrer.
func (i *inode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	i.n.attr(&out.Attr)
	return 0
}

// Setattr is fs.NodeSetattrer. Owner and mode are kept at once: no promise of ours hangs on them.
func (i *inode) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	if size, ok := in.GetSize(); ok {
		i.n.truncate(int(size), i.d.now())
	}
	if mode, ok := in.GetMode(); ok {
		i.n.mode = i.n.mode&syscall.S_IFMT | mode&^syscall.S_IFMT
	}
	if uid, ok := in.GetUID(); ok {
		i.n.uid = uid
	}
	if gid, ok := in.GetGID(); ok {
		i.n.gid = gid
	}
	if at, ok := in.GetMTime(); ok {
		i.n.changed = at
	}
	i.n.attr(&out.Attr)
	return 0
}

// add makes a node under a name.
func (i *inode) add(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*node, *fs.Inode) {
	var uid, gid uint32
	if c, ok := fuse.FromContext(ctx); ok {
		uid, gid = c.Uid, c.Gid
	}
	n := i.d.make(mode, uid, gid)
	i.n.names[name] = n
	i.n.changed = i.d.now()
	return n, i.child(ctx, n, out)
}

// Mkdir is fs.NodeMkdirer.
func (i *inode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	_, made := i.add(ctx, name, mode&^syscall.S_IFMT|syscall.S_IFDIR, out)
	return made, 0
}

// Create is fs.NodeCreater.
func (i *inode) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	_, made := i.add(ctx, name, mode&^syscall.S_IFMT|syscall.S_IFREG, out)
	return made, nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Mknod is fs.NodeMknoder: the socket a process listens on.
func (i *inode) Mknod(ctx context.Context, name string, mode, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	_, made := i.add(ctx, name, mode, out)
	return made, 0
}

// Symlink is fs.NodeSymlinker.
func (i *inode) Symlink(ctx context.Context, to, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	n, made := i.add(ctx, name, syscall.S_IFLNK|0o777, out)
	n.to = to
	n.attr(&out.Attr)
	return made, 0
}

// Readlink is fs.NodeReadlinker.
func (i *inode) Readlink(context.Context) ([]byte, syscall.Errno) { return []byte(i.n.to), 0 }

// Open is fs.NodeOpener.
func (i *inode) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_TRUNC != 0 {
		i.d.mu.Lock()
		i.n.truncate(0, i.d.now())
		i.d.mu.Unlock()
	}
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Read is fs.NodeReader.
func (i *inode) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	if int(off) >= len(i.n.data) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(dest[:copy(dest, i.n.data[off:])]), 0
}

// Write is fs.NodeWriter.
func (i *inode) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	i.n.write(data, int(off), i.d.now())
	return uint32(len(data)), 0 //nolint:gosec // at most MaxWrite
}

// Fsync is fs.NodeFsyncer: fsync and fdatasync of a file, and of a folder.
func (i *inode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	i.n.sync()
	return 0
}

// Readdir is fs.NodeReaddirer.
func (i *inode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	var all []fuse.DirEntry
	for name, n := range i.n.names {
		all = append(all, fuse.DirEntry{Name: name, Mode: n.mode, Ino: n.ino})
	}
	return fs.NewListDirStream(all), 0
}

// Unlink is fs.NodeUnlinker.
func (i *inode) Unlink(_ context.Context, name string) syscall.Errno {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	n := i.n.names[name]
	if n == nil {
		return syscall.ENOENT
	}
	n.links--
	delete(i.n.names, name)
	return 0
}

// Rmdir is fs.NodeRmdirer.
func (i *inode) Rmdir(_ context.Context, name string) syscall.Errno {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	n := i.n.names[name]
	switch {
	case n == nil:
		return syscall.ENOENT
	case len(n.names) > 0:
		return syscall.ENOTEMPTY
	}
	delete(i.n.names, name)
	return 0
}

// Rename is fs.NodeRenamer.
func (i *inode) Rename(_ context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	to, ok := parent.(*inode)
	n := i.n.names[name]
	switch {
	case !ok || flags != 0: // RENAME_EXCHANGE and its like: nobody here asks for them
		return syscall.EINVAL
	case n == nil:
		return syscall.ENOENT
	}
	if old := to.n.names[newName]; old != nil && old != n {
		if len(old.names) > 0 {
			return syscall.ENOTEMPTY
		}
		old.links--
	}
	delete(i.n.names, name)
	to.n.names[newName] = n
	return 0
}

// Link is fs.NodeLinker.
func (i *inode) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	t, ok := target.(*inode)
	if !ok {
		return nil, syscall.EXDEV
	}
	if i.n.names[name] != nil {
		return nil, syscall.EEXIST
	}
	t.n.links++
	i.n.names[name] = t.n
	return i.child(ctx, t.n, out), 0
}

// Statfs is fs.NodeStatfser: there is room.
func (i *inode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Blocks, out.Bfree, out.Bavail, out.NameLen = page, 1<<20, 1<<20, 1<<20, 255
	return 0
}

// Use mounts the disk, runs fn, and unmounts whatever fn did.
func (d *Disk) Use(dir string, fn func() error) error {
	m, err := d.Mount(dir)
	if err != nil {
		return err
	}
	err = fn()
	return errors.Join(err, m.Unmount())
}

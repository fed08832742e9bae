#!/usr/bin/env bash
# Started as PID 1 of new PID, mount, UTS, IPC and cgroup namespaces: makes a machine of the folder $R, then
# becomes its systemd. Nothing of the host is changed; everything here goes away with the namespaces.
set -eu
: "${R:?the root folder of the box}"

hostname roundsman-box
mount -t proc proc "$R/proc"
mount -t sysfs -o ro sysfs "$R/sys"
for folder in dev run; do mount -t tmpfs -o mode=755 tmpfs "$R/$folder"; done
mount -t tmpfs -o mode=1777 tmpfs "$R/tmp"

mkdir "$R/dev/pts" "$R/dev/shm"
while read -r name major minor; do
    mknod -m 666 "$R/dev/$name" c "$major" "$minor"
done <<NODES
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
NODES
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$R/dev/pts"
ln -s pts/ptmx "$R/dev/ptmx"
ln -s /proc/self/fd "$R/dev/fd"
mount -t tmpfs -o mode=1777 tmpfs "$R/dev/shm"
: > "$R/dev/console"

groups=$R/sys/fs/cgroup
if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
    mount -t cgroup2 cgroup2 "$groups"
else
    mount -t tmpfs -o mode=755 tmpfs "$groups"
    for controller in memory pids cpu cpuacct; do
        mkdir "$groups/$controller"
        mount -t cgroup -o "$controller" cgroup "$groups/$controller"
    done
    mkdir "$groups/systemd" "$groups/unified"
    mount -t cgroup -o none,name=systemd,xattr cgroup "$groups/systemd"
    mount -t cgroup2 cgroup2 "$groups/unified"
fi

mkdir -p "$R/mnt/.old"
cd "$R"
pivot_root . mnt/.old
umount -l /mnt/.old
mount --make-rshared / # units get their credentials through mount propagation; without it they come up empty
exec env -i container=roundsman-box PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /usr/lib/systemd/systemd systemd.unit=sdbox.target

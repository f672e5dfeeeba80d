#!/usr/bin/env python3
# räumt auf 🧹
"""Keep the newest tags."""

import os
import shutil
import sys


def last_pushed(tag_dir):
	"""When the tag was last pushed; a push of the same tag leaves the time of its directory alone."""
	try:
		return os.path.getmtime(os.path.join(tag_dir, 'current', 'link'))
	except OSError:  # no link yet: the first push is under way
		return os.path.getmtime(tag_dir)


def is_cache_tag(tag):
	"""Whether the tag, given by name or directory, is build cache, which is never removed."""
	tag = os.path.basename(os.path.normpath(tag))
	return tag == 'buildcache' or tag.startswith('buildcache-')


KEEP = int(sys.argv[1]) if len(sys.argv) > 1 else 10
BASE = sys.argv[2] if len(sys.argv) > 2 else '/opt/registry/data'


def clean(tags_dir, keep):
	tags = sorted(os.listdir(tags_dir), key=lambda tag: last_pushed(os.path.join(tags_dir, tag)), reverse=True)
	for tag in tags[keep:]:
		if is_cache_tag(tag):
			continue
		path = os.path.join(tags_dir, tag)
		try:
			shutil.rmtree(path)
		except OSError as error:
			print('failed', path, error)


def main():
	for registry in os.listdir(BASE):
		root = os.path.join(BASE, registry, 'docker', 'registry', 'v2', 'repositories')
		for directory, names, _ in os.walk(root):
			if '_manifests' in names:
				clean(os.path.join(directory, '_manifests', 'tags'), KEEP)


if __name__ == '__main__':
	main()
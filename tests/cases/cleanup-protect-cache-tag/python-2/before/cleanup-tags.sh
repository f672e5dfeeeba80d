#!/usr/bin/env python
import os
print 'x'

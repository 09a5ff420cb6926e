throw new Error('cannot reach the licence server')

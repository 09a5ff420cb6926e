import type { Transaction } from 'legwork'

/** Runs work in a transaction of the database that the shop and the engine share. */
export type Transact = <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>

export interface Product {
  readonly id: string
  readonly name: string
  readonly cents: number
  readonly stock: number
  /** Pieces sold, as the leaderboard has it. */
  readonly sold: number
}

export interface Order {
  readonly id: string
  readonly product: string
  readonly name: string
  readonly quantity: number
  readonly cents: number
  readonly email: string
  /** What the payment provider knows the card by; a shop never keeps the number. */
  readonly card: string
  readonly status: 'pending' | 'processing' | 'confirmed' | 'failed'
  /** Why it failed. */
  readonly reason: string | null
  readonly parcel: string | null
  readonly job: string | null
}

const tables = [
  'create schema if not exists shop',
  `create table if not exists shop.product (
     id text primary key,
     name text not null,
     cents int not null check (cents > 0),
     delivered int not null,
     stock int not null check (stock >= 0))`,
  `create table if not exists shop.orders (
     id text primary key,
     product text not null references shop.product,
     quantity int not null check (quantity > 0),
     cents int not null check (cents > 0),
     email text not null,
     card text not null,
     status text not null default 'pending',
     reason text,
     parcel text,
     job text,
     placed_at timestamptz not null default now())`,
  `create table if not exists shop.reservation (
     order_id text primary key references shop.orders,
     product text not null references shop.product,
     quantity int not null)`,
  'create table if not exists shop.leaderboard (product text primary key references shop.product, sold int not null)',
]

const assortment = [
  ['teapot', 'Stoneware teapot', 3_450, 400],
  ['lamp', 'Reading lamp', 5_990, 300],
  ['cactus', 'Small cactus', 1_275, 500],
  ['kite', 'Paper kite', 1_890, 250],
  ['globe', 'Desk globe', 8_900, 5],
] as const

/** Makes the tables and fills the shelves, once. */
export async function openShop(transact: Transact): Promise<void> {
  await transact(async (tx) => {
    for (const table of tables) await tx.query(table, [])
    for (const product of assortment) {
      await tx.query(
        `insert into shop.product (id, name, cents, delivered, stock)
         values ($1, $2, $3::int, $4::int, $4::int) on conflict (id) do nothing`,
        product,
      )
    }
  })
}

export async function products(transact: Transact): Promise<Product[]> {
  const rows = await transact((tx) =>
    tx.query(
      `select p.id, p.name, p.cents, p.stock, coalesce(l.sold, 0) as sold
         from shop.product p left join shop.leaderboard l on l.product = p.id order by p.name`,
      [],
    ),
  )
  return rows as unknown as Product[]
}

export async function findOrder(transact: Transact, id: string): Promise<Order | undefined> {
  const rows = await transact((tx) =>
    tx.query(
      `select o.id, o.product, p.name, o.quantity, o.cents, o.email, o.card, o.status, o.reason, o.parcel, o.job
         from shop.orders o join shop.product p on p.id = o.product where o.id = $1`,
      [id],
    ),
  )
  return rows[0] as unknown as Order | undefined
}

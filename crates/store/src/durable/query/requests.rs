//! The table `requests`: the partitions that may hold what is asked for, and the log's records.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, BooleanArray, Int64Array, UInt64Array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::object_store::local::LocalFileSystem;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use datafusion::prelude::SessionContext;

use crate::durable::catalog::Partition;
use crate::durable::reader::Snapshot;
use crate::durable::rows::{FINISHED, RUN_ID, SCHEMA};

/// Where the partitions lie as far as the query knows: it reaches no other file.
const URL: &str = "prony://partitions";

/// The table at one moment.
#[derive(Debug)]
pub(super) struct Requests {
    snapshot: Arc<Snapshot>,
    url: ObjectStoreUrl,
}

impl Requests {
    pub(super) fn new(snapshot: Arc<Snapshot>, context: &SessionContext) -> Result<Self> {
        let url = ObjectStoreUrl::parse(URL)?;
        let files = LocalFileSystem::new_with_prefix(&snapshot.folder)?;
        context.register_object_store(url.as_ref(), Arc::new(files));
        Ok(Self { snapshot, url })
    }

    /// The partitions in which something may match.
    fn matching(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<&Partition>> {
        let partitions = &self.snapshot.partitions;
        let Some(filter) = conjunction(filters.iter().cloned()) else {
            return Ok(partitions.iter().collect());
        };
        let schema = DFSchema::try_from(Arc::clone(&SCHEMA))?;
        let filter = state.create_physical_expr(filter, &schema)?;
        let predicate = PruningPredicateBuilder::new()
            .with_file_schema(Arc::clone(&SCHEMA))
            .try_build(filter)?;
        let matching = predicate.prune(&Known(partitions))?;
        Ok(partitions.iter().zip(matching).filter_map(|(one, may)| may.then_some(one)).collect())
    }

    /// Reads the files of partitions.
    fn scan_files(
        &self,
        partitions: &[&Partition],
        threads: usize,
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = partitions
            .iter()
            .map(|partition| PartitionedFile::new(&partition.file.name, partition.file.bytes));
        let groups = FileGroup::new(files.collect()).split_files(threads);
        let source = Arc::new(ParquetSource::new(Arc::clone(&SCHEMA)));
        let config = FileScanConfigBuilder::new(self.url.clone(), source)
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

#[async_trait]
impl TableProvider for Requests {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut inputs = Vec::new();
        let matching = self.matching(state, filters)?;
        if !matching.is_empty() {
            let threads = state.config().target_partitions();
            inputs.push(self.scan_files(&matching, threads, projection)?);
        }
        let tail = [self.snapshot.tail_rows()];
        let tail: Arc<dyn ExecutionPlan> =
            MemorySourceConfig::try_new_exec(&tail, Arc::clone(&SCHEMA), projection.cloned())?;
        if inputs.is_empty() {
            return Ok(tail);
        }
        inputs.push(tail);
        UnionExec::try_new(inputs)
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

/// What the catalog knows of partitions without a look at their files.
struct Known<'a>(&'a [Partition]);

impl Known<'_> {
    fn finished(&self, column: &Column, read: fn(&Partition) -> u64) -> Option<ArrayRef> {
        (column.name == FINISHED).then(|| {
            let signed = |partition| i64::try_from(read(partition)).unwrap_or(i64::MAX);
            Arc::new(self.0.iter().map(signed).map(Some).collect::<Int64Array>()) as ArrayRef
        })
    }
}

impl PruningStatistics for Known<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.finished(column, |partition| partition.file.finished_unix_ns_min)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.finished(column, |partition| partition.file.finished_unix_ns_max)
    }

    fn num_containers(&self) -> usize {
        self.0.len()
    }

    fn null_counts(&self, _: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let rows = self.0.iter().map(|partition| Some(partition.file.rows()));
        Some(Arc::new(rows.collect::<UInt64Array>()))
    }

    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        if column.name != RUN_ID {
            return None;
        }
        let values: Option<HashSet<&str>> =
            values.iter().map(|value| value.try_as_str().flatten()).collect();
        let values = values?;
        let contained = self.0.iter().map(|partition| {
            let runs = &partition.file.rows_by_run;
            let known = runs.keys().filter(|run| values.contains(&***run)).count();
            match known {
                0 => Some(false),
                all if all == runs.len() => Some(true),
                _ => None,
            }
        });
        Some(contained.collect())
    }
}

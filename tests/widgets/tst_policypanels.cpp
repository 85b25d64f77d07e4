// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Rules and history.
#include "support/testmodels.h"
#include "widgets/models/rulesmodel.h"
#include "widgets/panels/defaultsform.h"
#include "widgets/panels/findingslist.h"
#include "widgets/panels/formatcombo.h"
#include "widgets/panels/historypanel.h"
#include "widgets/panels/matchlist.h"
#include "widgets/panels/ruledialog.h"
#include "widgets/panels/rulespanel.h"
#include "tests/support/patience.h"

#include <QAbstractItemModelTester>
#include <QAction>
#include <QApplication>
#include <QCheckBox>
#include <QDialogButtonBox>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QListWidget>
#include <QMimeData>
#include <QPushButton>
#include <QSignalSpy>
#include <QTableView>
#include <QTest>
#include <QTimer>
#include <QToolButton>
#include <QTreeWidget>
#include <QUndoStack>
#include <QUndoView>

using namespace ql;

namespace {

Rule ruleFor(TensorRole role, const char* scheme)
{
    Rule rule;
    rule.roles = {role};
    rule.scheme = Scheme::parse(scheme).value();
    return rule;
}

std::vector<Rule> threeRules()
{
    Rule named;
    named.match = "v_proj";
    named.scheme = Scheme::parse("int8,channel").value();
    named.firstLayer = 0;
    named.lastLayer = 3;
    return {named, ruleFor(TensorRole::MlpDown, "int6"), ruleFor(TensorRole::AttnQ, "nf4")};
}

std::vector<Rule> lastRules(const QSignalSpy& spy)
{
    return spy.last()[0].value<std::vector<Rule>>();
}

template <class T>
T* named(QWidget& parent, const QString& accessibleName)
{
    for (T* candidate : parent.findChildren<T*>()) {
        if (candidate->accessibleName().startsWith(accessibleName))
            return candidate;
    }
    return nullptr;
}

/// Runs `work` on the dialog that opens next.
void whenADialogOpens(const std::function<void(QDialog*)>& work)
{
    QTimer::singleShot(0, qApp, [work] {
        auto* dialog = qobject_cast<QDialog*>(QApplication::activeModalWidget());
        QVERIFY(dialog);
        work(dialog);
    });
}

} // namespace

class TestPolicyPanels : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void rulesModelKeepsItsContract()
    {
        RulesModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.setRules(threeRules());
        QCOMPARE(model.index(0, RulesModel::AppliesToColumn).data().toString(), QString("/v_proj/, blocks 0–3"));
        QCOMPARE(model.index(1, RulesModel::AppliesToColumn).data().toString(), QString("down_proj"));
        QCOMPARE(model.index(0, RulesModel::SchemeColumn).data().toString(), QString("int8,channel"));
        QCOMPARE(model.index(0, RulesModel::MatchesColumn).data().toString(), QString("…"));
        std::vector<RuleUse> uses(3);
        uses[0] = {{1, 2, 3, 4}, 4, {}, 0};
        uses[2] = {{1, 2}, 0, {0}, 0};
        model.setInsight(uses, {{Finding::Warning, 2, "", "rule 3 decides nothing"}, {Finding::Error, 7, "", "elsewhere"}});
        QCOMPARE(model.index(0, RulesModel::MatchesColumn).data().toString(), QString("4"));
        QCOMPARE(model.index(2, RulesModel::MatchesColumn).data().toString(), QString("0 of 2"));
        QCOMPARE(model.index(2, RulesModel::NoteColumn).data().toString(), QString("shadowed by rule 1"));
        QCOMPARE(model.index(1, RulesModel::NoteColumn).data().toString(), QString("no match"));
        QVERIFY(model.index(1, RulesModel::MatchesColumn).data(Qt::ToolTipRole).toString().contains("No tensor"));
        QCOMPARE(model.index(2, 0).data(RulesModel::MarkRole).toString(), QString("warning"));
        QVERIFY(model.index(2, 0).data(Qt::ToolTipRole).toString().contains("shadowed by rule 1")); // in full, where the row elides it
        QVERIFY(model.index(0, 0).data(RulesModel::MarkRole).toString().isEmpty());
        QVERIFY(model.index(2, 0).data(RulesModel::IdleRole).toBool());
        model.setInsight({uses[0]}, {});
        QCOMPARE(model.index(2, RulesModel::MatchesColumn).data().toString(), QString("…"));
        Rule shaped = threeRules()[1];
        shaped.shape = ShapePattern::parse("*x!%256").value();
        shaped.firstLayer = 2;
        QCOMPARE(RulesModel::appliesTo(shaped), QString("down_proj, from block 2, shape *x!%256"));
    }

    void draggedRowsAskForTheirNewPlace_data()
    {
        QTest::addColumn<int>("from");
        QTest::addColumn<int>("before"); ///< dropped in front of this row
        QTest::addColumn<int>("to");     ///< -1: nothing
        QTest::newRow("down to the end") << 0 << 3 << 2;
        QTest::newRow("down by one") << 0 << 2 << 1;
        QTest::newRow("up to the front") << 2 << 0 << 0;
        QTest::newRow("in front of itself") << 1 << 1 << -1;
        QTest::newRow("behind itself") << 1 << 2 << -1;
        QTest::newRow("below all rows") << 0 << -1 << 2;
    }
    void draggedRowsAskForTheirNewPlace()
    {
        QFETCH(int, from);
        QFETCH(int, before);
        QFETCH(int, to);
        RulesModel model;
        model.setRules(threeRules());
        QSignalSpy moves(&model, &RulesModel::moveRequested);
        const std::unique_ptr<QMimeData> data(model.mimeData({model.index(from, 0)}));
        QCOMPARE(model.dropMimeData(data.get(), Qt::MoveAction, before, 0, {}), to >= 0);
        QCOMPARE(moves.count(), 0); // only after the drag
        QCoreApplication::sendPostedEvents(&model);
        QCOMPARE(moves.count(), to < 0 ? 0 : 1);
        if (to >= 0)
            QCOMPARE(moves[0], QVariantList({from, to}));
        QMimeData foreign;
        foreign.setText("3");
        QVERIFY(!model.dropMimeData(&foreign, Qt::MoveAction, 0, 0, {}));
        QCOMPARE(QString::fromStdString(model.rules()[0].match), QString("v_proj"));
    }

    void theSelectedRuleListsItsTensorsAndFindingsLead()
    {
        const auto model = test::tinyLlama();
        RulesPanel panel;
        panel.setModel(model);
        panel.resize(380, 560);
        panel.show();
        Policy policy;
        policy.rules = {threeRules()[0], ruleFor(TensorRole::AttnV, "int6"), ruleFor(TensorRole::MlpDown, "q8_0")};
        panel.setRules(policy.rules, policy.defaultScheme, true);
        panel.setInsight(*ruleUses(policy, *model), validate(policy, *model), *policy.resolve(*model));
        QVERIFY(panel.findChild<QCheckBox*>()->isChecked());
        panel.selectRule(1);
        auto* list = panel.findChild<MatchList*>();
        QCOMPARE(list->matches().size(), size_t(2));
        QVERIFY(named<QLabel>(*list, "How many")->text().contains("decides 0 of the 2"));
        QVERIFY(named<QLabel>(*list, "How many")->text().contains("rule 1"));
        QSignalSpy picked(&panel, &RulesPanel::tensorPicked);
        auto* names = list->findChild<QListView*>();
        QTest::mouseClick(names->viewport(), Qt::LeftButton, {}, names->visualRect(names->model()->index(1, 0)).center());
        QCOMPARE(picked.last()[0].toInt(), model->indexOf("model.layers.1.self_attn.v_proj.weight"));
        auto* findings = named<QListWidget>(panel, "Findings");
        QVERIFY(findings->isVisible());
        for (int row = 0; row < findings->count(); ++row) {
            if (!findings->item(row)->text().contains("q8_0"))
                continue;
            QTest::mouseClick(findings->viewport(), Qt::LeftButton, {}, findings->visualItemRect(findings->item(row)).center());
        }
        QCOMPARE(panel.selectedRule(), 2);
        QCOMPARE(picked.last()[0].toInt(), model->indexOf("model.layers.0.mlp.down_proj.weight"));
        QSignalSpy share(&panel, &RulesPanel::shareToggled);
        QTest::keyClick(panel.findChild<QCheckBox*>(), Qt::Key_Space);
        QCOMPARE(share[0][0].toBool(), false);
        panel.setInsight(*ruleUses(policy, *model), {}, *policy.resolve(*model));
        QVERIFY(!findings->isVisible());
    }

    void whatNoRuleDecidesIsListedToo()
    {
        const auto model = test::tinyLlama();
        const int query = model->indexOf("model.layers.0.self_attn.q_proj.weight");
        const int value = model->indexOf("model.layers.0.self_attn.v_proj.weight");
        RulesPanel panel;
        panel.resize(380, 560);
        panel.show();
        auto* list = panel.findChild<MatchList*>();
        QVERIFY(!list->isVisible());
        panel.setModel(model);
        QVERIFY(list->isVisible());
        auto* caption = named<QLabel>(*list, "How many");
        QVERIFY(caption->text().contains("appear here"));
        Policy policy;
        policy.rules = {ruleFor(TensorRole::AttnV, "int6")};
        policy.tensors["model.layers.0.self_attn.q_proj.weight"] = {Scheme::parse("int8").value(), true, {}};
        policy.tensors["model.layers.0.self_attn.v_proj.weight"] = {Scheme::parse("int8").value(), false, {}};
        const auto decisions = *policy.resolve(*model);
        const auto count = [&](Decision::Source source) {
            return size_t(std::count_if(decisions.begin(), decisions.end(), [&](const Decision& d) { return d.source == source; }));
        };
        panel.setRules(policy.rules, policy.defaultScheme);
        panel.setInsight(*ruleUses(policy, *model), {}, decisions);
        QVERIFY(caption->text().contains("default"));
        QCOMPARE(list->matches().size(), count(Decision::Source::Default));
        auto* note = named<QLabel>(panel, "What no rule");
        QVERIFY2(note->text().contains("2 overridden, 1 locked"), qPrintable(note->text()));
        Q_EMIT note->linkActivated(QString::number(DefaultsForm::Overridden));
        QCOMPARE(list->matches(), (std::vector<int>{query, value}));
        const QAbstractItemModel* names = list->findChild<QListView*>()->model();
        QVERIFY(names->index(0, 0).data().toString().endsWith("locked"));
        Q_EMIT note->linkActivated(QString::number(DefaultsForm::Kept));
        QCOMPARE(list->matches().size(), count(Decision::Source::HighPrecision));
        // A rule's tensors say who takes those that it does not decide.
        panel.selectRule(0);
        QCOMPARE(list->matches().size(), size_t(2));
        QVERIFY(names->index(0, 0).data().toString().endsWith("overridden"));
        QVERIFY(names->index(1, 0).data().toString().endsWith("v_proj.weight"));
        QTest::keyClick(panel.findChild<QTableView*>(), Qt::Key_Escape);
        QCOMPARE(panel.selectedRule(), -1);
        QCOMPARE(list->matches().size(), count(Decision::Source::HighPrecision));
    }

    void keysInTheListMeanRulesWhateverTheyMeanElsewhere()
    {
        QWidget window;
        auto* panel = new RulesPanel(&window);
        QAction elsewhere(&window);
        elsewhere.setShortcut(QKeySequence("Alt+Down"));
        window.addAction(&elsewhere);
        window.resize(380, 400);
        window.show();
        QVERIFY(QTest::qWaitForWindowActive(&window));
        panel->setRules(threeRules(), Scheme::defaultsFor(Format::Int4));
        panel->selectRule(0);
        auto* table = panel->findChild<QTableView*>();
        table->setFocus();
        QSignalSpy edits(panel, &RulesPanel::rulesEdited), triggered(&elsewhere, &QAction::triggered);
        QTest::keyClick(table, Qt::Key_Down, Qt::AltModifier);
        QCOMPARE(edits.size(), 1);
        QCOMPARE(triggered.size(), 0);
    }

    void theRuleDialogCountsWhileTyping()
    {
        const auto model = test::tinyLlama();
        RuleDialog dialog(threeRules()[0], model);
        dialog.show();
        auto* list = dialog.findChild<MatchList*>();
        QCOMPARE(list->matches().size(), size_t(2));
        named<QLineEdit>(dialog, "Name pattern")->setText("_proj");
        QL_TRY_COMPARE(list->matches().size(), size_t(6));
        named<QLineEdit>(dialog, "Shape")->setText("*x!%32");
        QL_TRY_COMPARE(list->matches().size(), size_t(2));
        for (QLineEdit* line : dialog.findChildren<QLineEdit*>()) {
            if (line->placeholderText().startsWith("int4"))
                line->setText("q8_0");
        }
        QL_TRY_VERIFY(named<QLabel>(*list, "How many")->text().contains("2 of them cannot take it: kept as stored instead of q8_0"));
        QCOMPARE(dialog.rule().shape, ShapePattern::parse("*x!%32").value());
        // A format writes its scheme; what earlier rules take is said.
        auto* format = dialog.findChild<FormatCombo*>();
        QCOMPARE(*format->format(), Format::Q8_0);
        format->setCurrentIndex(format->findText("INT5"));
        Q_EMIT format->activated(format->currentIndex());
        QCOMPARE(dialog.rule().scheme.format, Format::Int5);
        dialog.setEarlier({ruleFor(TensorRole::MlpDown, "int6")});
        QVERIFY2(named<QLabel>(*list, "How many")->text().contains("rule 1"), qPrintable(named<QLabel>(*list, "How many")->text()));
        // Only roles that the model has, each with its number.
        auto* roles = named<QListWidget>(dialog, "Roles");
        for (int i = 0; i < roles->count(); ++i)
            QVERIFY2(!roles->item(i)->text().contains("(0)"), qPrintable(roles->item(i)->text()));
    }

    void snapshotsAreChosenByMouseAndKeys()
    {
        QUndoStack stack;
        HistoryPanel panel(&stack);
        panel.resize(380, 480);
        panel.show();
        auto* list = named<QListWidget>(panel, "Snapshots");
        QVERIFY(!list->isVisible());
        QVERIFY(!named<QToolButton>(panel, "Compare")->isEnabled());
        panel.setSnapshots({{"first", "note", "today"}});
        panel.setSnapshots({{"first", "note", "today"}, {"second", "", "today"}});
        QCOMPARE(panel.currentSnapshot(), 1); // the new one
        QSignalSpy compare(&panel, &HistoryPanel::compareWanted), restore(&panel, &HistoryPanel::restoreWanted);
        QSignalSpy describe(&panel, &HistoryPanel::describeWanted), remove(&panel, &HistoryPanel::removeWanted);
        QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, list->visualItemRect(list->item(0)).center());
        QTest::keyClick(list, Qt::Key_Return);
        QTest::keyClick(list, Qt::Key_F2);
        QTest::keyClick(list, Qt::Key_Delete);
        QTest::mouseClick(named<QToolButton>(panel, "Restore"), Qt::LeftButton);
        for (const QSignalSpy* spy : {&compare, &restore, &describe, &remove})
            QCOMPARE(*spy, QList<QVariantList>{{0}});
    }

    void rulesMoveAndGoByKeys()
    {
        RulesPanel panel;
        panel.setRules(threeRules(), Scheme::defaultsFor(Format::Int4));
        panel.resize(330, 300);
        panel.show();
        QSignalSpy edits(&panel, &RulesPanel::rulesEdited);
        connect(&panel, &RulesPanel::rulesEdited, &panel,
                [&](const std::vector<Rule>& rules) { panel.setRules(rules, Scheme::defaultsFor(Format::Int4)); });
        auto* table = panel.findChild<QTableView*>();
        QTest::mouseClick(table->viewport(), Qt::LeftButton, {}, table->visualRect(table->model()->index(1, 0)).center());
        QCOMPARE(panel.selectedRule(), 1);
        QTest::keyClick(table, Qt::Key_Down, Qt::AltModifier);
        QCOMPARE(edits.size(), 1);
        QCOMPARE(lastRules(edits)[2], threeRules()[1]);
        QCOMPARE(panel.selectedRule(), 2);
        QTest::keyClick(table, Qt::Key_Down, Qt::AltModifier); // already last
        QCOMPARE(edits.size(), 1);
        QTest::keyClick(table, Qt::Key_Delete);
        QCOMPARE(lastRules(edits).size(), size_t(2));
        QCOMPARE(panel.selectedRule(), 1);
        QTest::mouseClick(named<QToolButton>(panel, "Earlier"), Qt::LeftButton);
        QCOMPARE(lastRules(edits)[0], threeRules()[2]);
        panel.setRules(threeRules(), Scheme::defaultsFor(Format::Int4));
        panel.moveRuleTo(0, 2);
        QCOMPARE(lastRules(edits), (std::vector<Rule>{threeRules()[1], threeRules()[2], threeRules()[0]}));
        panel.moveRuleTo(2, 0);
        QCOMPARE(lastRules(edits), threeRules());
    }

    void rulesAreAddedAndEditedInADialog()
    {
        RulesPanel panel;
        panel.setRules(threeRules(), Scheme::defaultsFor(Format::Int4));
        panel.show();
        QSignalSpy edits(&panel, &RulesPanel::rulesEdited);
        panel.selectRule(1);
        whenADialogOpens([](QDialog* dialog) {
            for (QLineEdit* line : dialog->findChildren<QLineEdit*>()) {
                if (line->text() == "int6")
                    line->setText("int5,clip=mse");
            }
            dialog->accept();
        });
        QTest::mouseClick(named<QToolButton>(panel, "Edit"), Qt::LeftButton);
        QCOMPARE(edits.size(), 1);
        QCOMPARE(QString::fromStdString(lastRules(edits)[1].scheme.text()), QString("int5,clip=mse"));
        whenADialogOpens([](QDialog* dialog) { dialog->accept(); });
        panel.addRule();
        QCOMPARE(lastRules(edits).size(), size_t(4));
        whenADialogOpens([](QDialog* dialog) { dialog->reject(); });
        panel.addRule();
        QCOMPARE(edits.size(), 2);
    }

    void theRuleDialogSaysWhatIsWrong_data()
    {
        QTest::addColumn<QString>("pattern");
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<QString>("part");
        QTest::newRow("all well") << "v_proj$" << "int4" << "";
        QTest::newRow("broken pattern") << "(" << "int4" << "not valid";
        QTest::newRow("no pattern") << "" << "int4" << "pattern";
        QTest::newRow("unknown format") << "v_proj" << "int99" << "int99";
        QTest::newRow("conflicting options") << "v_proj" << "q4_0,asym" << "asym";
    }
    void theRuleDialogSaysWhatIsWrong()
    {
        QFETCH(QString, pattern);
        QFETCH(QString, scheme);
        QFETCH(QString, part);
        RuleDialog dialog(threeRules()[0]);
        dialog.show();
        named<QLineEdit>(dialog, "Name pattern")->setText(pattern);
        for (QLineEdit* line : dialog.findChildren<QLineEdit*>()) {
            if (line->placeholderText().startsWith("int4"))
                line->setText(scheme);
        }
        const QString message = named<QLabel>(dialog, "What is wrong")->text();
        QCOMPARE(message.isEmpty(), part.isEmpty());
        QVERIFY2(message.contains(part), qPrintable(message));
        auto* ok = dialog.findChild<QDialogButtonBox*>()->button(QDialogButtonBox::Ok);
        QCOMPARE(ok->isEnabled(), part.isEmpty());
    }

    void dialogsGiveBackWhatTheyWereGiven()
    {
        for (const Rule& rule : threeRules())
            QVERIFY(RuleDialog(rule).rule() == rule);
    }

    void theDefaultSchemeIsTyped()
    {
        RulesPanel panel;
        panel.setRules({}, Scheme::defaultsFor(Format::Int4));
        panel.show();
        QSignalSpy defaults(&panel, &RulesPanel::defaultSchemeEdited);
        auto* line = named<QLineEdit>(panel, "Default scheme");
        line->setText("int4,nonsense");
        QTest::keyClick(line, Qt::Key_Return);
        QCOMPARE(defaults.size(), 0);
        line->setText("nf4");
        QTest::keyClick(line, Qt::Key_Return);
        QCOMPARE(defaults.size(), 1);
        QCOMPARE(defaults[0][0].value<Scheme>(), Scheme::defaultsFor(Format::NF4));
    }

    void historyGoesWhereOneClicks()
    {
        QUndoStack stack;
        HistoryPanel panel(&stack);
        panel.resize(300, 240);
        panel.show();
        for (const char* step : {"one", "two", "three"})
            stack.push(new QUndoCommand(step));
        stack.setClean();
        auto* view = panel.findChild<QUndoView*>();
        const QModelIndex first = view->model()->index(1, 0);
        QTest::mouseClick(view->viewport(), Qt::LeftButton, {}, view->visualRect(first).center());
        QCOMPARE(stack.index(), 1);
        QVERIFY(!stack.isClean());
        QVERIFY(!view->model()->index(3, 0).data(Qt::DecorationRole).value<QIcon>().isNull());
        QTest::mouseClick(named<QToolButton>(panel, "Redo"), Qt::LeftButton);
        QCOMPARE(stack.index(), 2);
        bool told = false;
        for (const QLabel* label : panel.findChildren<QLabel*>())
            told = told || label->text() == "changes not saved";
        QVERIFY(told);
    }
};

QTEST_MAIN(TestPolicyPanels)
#include "tst_policypanels.moc"
